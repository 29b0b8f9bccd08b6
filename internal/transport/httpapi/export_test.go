package httpapi

// Route is a method and a path as the router knows it.
type Route struct{ Method, Path string }

// Routes are the routes of the router.
func (a *API) Routes() []Route {
	var routes []Route
	for _, r := range a.router.Routes() {
		routes = append(routes, Route{Method: r.Method, Path: r.Path})
	}
	return routes
}

// Refusal is a row of the table of errors.
type Refusal struct {
	Status int
	Code   string
}

// Refusals are the rows of the table of errors, and the one for what is not in it.
func Refusals() []Refusal {
	internal := problemOf(nil)
	refusals := []Refusal{{Status: internal.Status, Code: internal.Code}}
	for _, row := range table {
		refusals = append(refusals, Refusal{Status: row.status, Code: row.code})
	}
	return refusals
}
