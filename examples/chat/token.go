package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// A JWT (RFC 7519) is two parts of JSON and their signature, in base64. There are libraries for it in every language.
var (
	base64URL = base64.RawURLEncoding
	header    = base64URL.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
)

// sign returns a token.
func (m member) sign(key []byte) string {
	claims, err := json.Marshal(m)
	if err != nil {
		panic(err) // texts and numbers always have a JSON form
	}
	signed := header + "." + base64URL.EncodeToString(claims)
	return signed + "." + signature(signed, key)
}

// verify returns the member of a token that sign made.
func verify(authorization string, key []byte) (member, error) {
	signed := strings.TrimPrefix(authorization, "Bearer ")
	dot := strings.LastIndexByte(signed, '.')
	if dot < 0 || !hmac.Equal([]byte(signed[dot+1:]), []byte(signature(signed[:dot], key))) {
		return member{}, errToken
	}
	_, claims, _ := strings.Cut(signed[:dot], ".")
	text, err := base64URL.DecodeString(claims)
	if err != nil {
		return member{}, errToken
	}
	return member{}.decode(text)
}

func signature(text string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64URL.EncodeToString(mac.Sum(nil))
}
