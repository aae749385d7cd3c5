package openapi_test

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/api/openapi/openapitest"
)

// Requests and answers of the APIs that the daemon is compatible with are as the
// document has them; see testdata/README.md.
func TestRecorded(t *testing.T) {
	spec, err := openapitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS("testdata/examples")
	err = fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		t.Run(name, func(t *testing.T) {
			body, err := fs.ReadFile(root, name)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(path.Base(name), ".") // METHOD.side.status.what.json
			status, err := strconv.Atoi(parts[2])
			if err != nil {
				t.Fatal(err)
			}
			method, at := parts[0], "/"+path.Dir(name)
			switch {
			case parts[1] == "response":
				err = spec.Response(method, at, status, "application/json", body)
			case status < 300:
				err = spec.Request(method, at, "application/json", body)
			default:
				if spec.Request(method, at, "application/json", body) == nil {
					t.Errorf("%s is accepted", body)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
