package placement

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"virga/core/api"
)

// Codes of errors, from the API's reference.
const (
	codeUndefined         = "placement.undefined_code"
	codeInventoryInUse    = "placement.inventory.inuse"
	codeConcurrentUpdate  = "placement.concurrent_update"
	codeDuplicateName     = "placement.duplicate_name"
	codeProviderInUse     = "placement.resource_provider.inuse"
	codeProviderIsParent  = "placement.resource_provider.cannot_delete_parent"
	codeProviderNotFound  = "placement.resource_provider.not_found"
	codeQueryDuplicateKey = "placement.query.duplicate_key"
	codeQueryBadValue     = "placement.query.bad_value"
	codeQueryMissingValue = "placement.query.missing_value"
)

// Texts that stand in several errors.
const (
	generationChanged      = "Resource provider's generation already changed. Please update the generation and try again."
	contentTypeIsNotJSON   = "The media type %s is not supported, use application/json"
	contentTypeIsMissing   = "content-type header required when content-length > 0"
	acceptIsNotJSON        = "Only application/json is provided"
	reasonParentIsMissing  = "parent provider UUID does not exist."
	reasonParentIsItself   = "parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent."
	reasonReparenting      = "re-parenting a provider is not currently allowed."
	reasonUnparenting      = "un-parenting a provider is not currently allowed."
	reasonLoop             = "creating loop in the provider tree is not allowed."
	providerNotFoundFormat = "No resource provider with uuid %s found"
)

type errorView struct {
	Status     int    `json:"status"`
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	Code       string `json:"code,omitempty"`
	RequestID  string `json:"request_id,omitempty"`
	MinVersion string `json:"min_version,omitempty"`
	MaxVersion string `json:"max_version,omitempty"`
}

type errorsView struct {
	Errors []errorView `json:"errors"`
}

// errorStyle renders errors as the API-WG's guideline on errors has them, with the
// sentence for the status before the detail as clients of placement know it.
func errorStyle(e *api.Error, r *api.Request) (string, []byte) {
	view := errorView{Status: e.Status, Title: http.StatusText(e.Status), Detail: knownWords(e), RequestID: r.ID}
	if sentence := statusSentence(e.Status); sentence != "" {
		view.Detail = sentence + "\n\n " + view.Detail + "  "
	}
	if since(r, errorCodes) {
		view.Code = codeUndefined
		if e.Code != "" {
			view.Code = e.Code
		}
	}
	if e.Status == http.StatusNotAcceptable && r.Version.IsZero() {
		view.MinVersion, view.MaxVersion = versions().Min.String(), versions().Max.String()
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // details are read by people
	if err := encoder.Encode(errorsView{[]errorView{view}}); err != nil {
		return "application/json", []byte(`{"errors":[]}`)
	}
	return "application/json", body.Bytes()
}

// uuidPattern is how the schemas of bodies write that a text is a UUID, with or without hyphens.
const uuidPattern = `^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`

// What the kit says of versions.
var (
	versionOutside = regexp.MustCompile(`^Version (\S+) is not supported by the API\.`)
	versionGarbled = regexp.MustCompile(`^API Version String (.+) is of invalid format\.`)
)

// failedValidating is how Python's jsonschema goes on after it said what is wrong.
func failedValidating(keyword string) string {
	return "\n\nFailed validating '" + keyword + "' in schema"
}

// knownWords begins what the kit says of a body with the words of placement, which
// clients look for.
func knownWords(e *api.Error) string {
	switch {
	case e.Mistake != nil:
		reason, keyword := e.Mistake.Reason, e.Mistake.Keyword
		if text, found := strings.CutSuffix(reason, " does not match '"+uuidPattern+"'"); found { // the pattern stands for a format
			reason, keyword = text+" is not a 'uuid'", "format"
		}
		return "JSON does not validate: " + reason + failedValidating(keyword) + e.Mistake.Place
	case strings.HasPrefix(e.Message, "Malformed request body"):
		return "Malformed JSON: " + e.Message
	}
	if m := versionOutside.FindStringSubmatch(e.Message); m != nil {
		return "Unacceptable version header: " + m[1]
	}
	if m := versionGarbled.FindStringSubmatch(e.Message); m != nil {
		return "invalid version string: " + m[1]
	}
	return e.Message
}

// statusSentence is what precedes the detail of an error.
func statusSentence(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The server could not comply with the request since it is either malformed or otherwise incorrect."
	case http.StatusForbidden:
		return "Access was denied to this resource."
	case http.StatusNotFound:
		return "The resource could not be found."
	case http.StatusConflict:
		return "There was a conflict when trying to complete your request."
	case http.StatusUnsupportedMediaType:
		return "The request media type is not supported by this server."
	}
	return ""
}

// refusalKind tells refusals apart that handlers answer differently.
type refusalKind int

const (
	// missing: something that the request names is not there.
	missing refusalKind = iota
	// badInventory: no such inventory, or an allocation does not fit into it.
	badInventory
	// inUse: an inventory has allocations.
	inUse
	// badCapacity: an inventory's numbers leave less than nothing.
	badCapacity
	// badAction: a provider may not be made or changed so.
	badAction
)

// refusal is a rule's answer; the handler turns it into an API error with its own sentence.
type refusal struct {
	kind refusalKind
	text string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// refusedAs returns the refusal in err when it is one of the kinds.
func refusedAs(err error, kinds ...refusalKind) *refusal {
	var r *refusal
	if !errors.As(err, &r) {
		return nil
	}
	for _, kind := range kinds {
		if r.kind == kind {
			return r
		}
	}
	return nil
}

func classNotFound(name string) *refusal {
	return &refusal{missing, "No such resource class " + name + "."}
}

// concurrent is a conflict that the caller solves by reading anew.
func concurrent(format string, args ...any) *api.Error {
	return api.Conflict(format, args...).WithCode(codeConcurrentUpdate)
}

// noProvider is the 404 for a provider in the path.
func noProvider(uuid string) *api.Error { return api.NotFound(providerNotFoundFormat, uuid) }
