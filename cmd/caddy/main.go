// Command caddy is Caddy with its standard modules and Sallyport.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/sallyport-gate/sallyport/caddymodule"
)

func main() {
	caddycmd.Main()
}
