package aggregates

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/coalesce-metrics/coalesce/api"
)

// asked reads the rule that a request is about.
func asked(r *http.Request) (pattern, output string, err error) {
	body, err := new(api.Body).Read(r, maxBody)
	if err != nil {
		return "", "", err
	}
	return parse(body)
}

const want = `accepted: a JSON object such as {"pattern":"servers.*.<<rest>>","output":"servers.all.<rest>"}`

// parse reads an object with the texts pattern and output; other keys are ignored.
func parse(body []byte) (pattern, output string, err error) {
	var keys map[string]json.RawMessage
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(body, &keys); {
	case !utf8.Valid(body):
		return "", "", api.BadRequest("body: not UTF-8; %s", want)
	case errors.As(err, &syntax):
		return "", "", api.BadRequest("body: not JSON: %s; %s", err, want)
	case err != nil || keys == nil:
		return "", "", api.BadRequest("body: not an object; %s", want)
	}
	for _, field := range []struct {
		key  string
		text *string
	}{{"pattern", &pattern}, {"output", &output}} {
		raw, ok := keys[field.key]
		switch {
		case !ok:
			return "", "", api.BadRequest("%s is missing; %s", field.key, want)
		case raw[0] != '"':
			return "", "", api.BadRequest("%s is %.100s; accepted: a text", field.key, raw)
		}
		if err := json.Unmarshal(raw, field.text); err != nil {
			return "", "", api.BadRequest("%s: %s", field.key, err)
		}
		switch {
		case *field.text == "":
			return "", "", api.BadRequest("%s is empty; accepted: a text", field.key)
		case strings.ContainsRune(*field.text, utf8.RuneError): // what a lone \ud800 is read as
			return "", "", api.BadRequest("%s is %.100s, which has half a character or U+FFFD; accepted: whole ones", field.key, raw)
		}
	}
	return pattern, output, nil
}
