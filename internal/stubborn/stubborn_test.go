package stubborn

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAsksAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		cuts  int
		body  string
		tries int
		fails bool
	}{
		"answered":             {0, "", 1, false},
		"cut twice":            {2, "", 3, false},
		"cut twice, with body": {2, "some text", 3, false},
		"cut for ever":         {1000, "", attempts, true},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, _ := io.ReadAll(r.Body)
				if int(tries.Add(1)) <= tt.cuts {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprintf(w, "%s to you", got)
			}))
			defer s.Close()
			resp, err := Client(time.Minute).Post(s.URL, "text/plain", strings.NewReader(tt.body))
			if n := int(tries.Load()); n != tt.tries || (err != nil) != tt.fails {
				t.Fatalf("%d tries, want %d; %v", n, tt.tries, err)
			}
			if err == nil {
				defer resp.Body.Close()
				if text, err := io.ReadAll(resp.Body); err != nil || string(text) != tt.body+" to you" {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
	}
}
