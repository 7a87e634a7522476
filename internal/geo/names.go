package geo

import (
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// names are the languages that places are named in.
var names = map[language.Tag]struct {
	display.Namer
	instead map[string]string // of the names that the Unicode tables have
}{
	language.English:            {display.Regions(language.English), nil},
	language.SimplifiedChinese:  {display.Regions(language.SimplifiedChinese), simplified},
	language.MustParse("zh-CN"): {display.Regions(language.SimplifiedChinese), simplified},
}

// simplified are names as they are written in mainland China.
var simplified = map[string]string{"TW": "中国台湾"}

// Name is the name of a country or region, by its code of two letters, in a
// language: English or simplified Chinese, English for any other. A code
// without a name is its own.
func Name(code string, in language.Tag) string {
	n, ok := names[in]
	if !ok {
		n = names[language.English]
	}
	if name, ok := n.instead[code]; ok {
		return name
	}
	region, err := language.ParseRegion(code)
	if err != nil {
		return code
	}
	if name := n.Name(region); name != "" {
		return name
	}
	return code
}
