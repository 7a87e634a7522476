// Package auth answers who somebody is: passwords, one-time and recovery codes,
// the tokens of sessions and of unfinished sign-ins, the assertion for the
// console behind, cookies, API tokens, references, and what is sealed at rest.
//
// It decides nothing about tenants, networks or roles and keeps no state but
// two caches in memory: what was used, ended or tried too often is the caller's
// to remember. Time enters as a parameter. Whatever is malformed, unknown or
// out of range is refused with an error; nothing falls back to something weaker.
//
// It is the only user of golang-jwt. That library, with all of its options
// set, still accepts unknown critical headers, any type, claims that stand
// there twice or in another case, and times beyond any calendar; so this
// package accepts a token only when it is, byte for byte, the text it would
// itself have written (see [Keys.VerifySession]).
package auth
