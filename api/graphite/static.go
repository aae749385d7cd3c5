package graphite

// graphiteVersion is the version of graphite-web whose answers these are like.
// Clients choose by it what they ask for.
const graphiteVersion = "1.1.10"

// version answers /version.
func (h *handler) version(c *call) error {
	return c.write("text/plain; charset=utf-8", []byte(graphiteVersion))
}

// events answers /events/get_data.
func (h *handler) events(c *call) error {
	return c.json([]byte("[]"))
}
