package fleet

import (
	"bytes"
	"encoding/json"
	"net/http"

	"virga/core/api"
)

type errorView struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    int    `json:"code"`
	Title   string `json:"title"`
	Message string `json:"message"`
}

// errorStyle renders errors as {"error": {"code": 403, "title": "Forbidden", "message": …}}.
func errorStyle(e *api.Error, _ *api.Request) (string, []byte) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // messages are read by people
	if err := encoder.Encode(errorView{errorBody{e.Status, http.StatusText(e.Status), e.Message}}); err != nil {
		panic("three values are always JSON: " + err.Error())
	}
	return "application/json", body.Bytes()
}

// errToken is what strangers are told of a token, whatever is wrong with it: nothing that
// tells a wrong secret from an unknown token.
func errToken() error { return api.Forbidden("The join token is not valid.") }

// errKey is the answer to a key that is no member's.
func errKey() error {
	return api.Forbidden("The key is not that of a member of this cloud; a new join token is needed.")
}
