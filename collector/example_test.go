package collector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coalesce-metrics/coalesce/collector"
)

func Example() {
	// In place of coalesce.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var batch []struct {
			Metric string
			Value  float64
			Tags   map[string]string
		}
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, m := range batch {
			fmt.Println(r.URL.Path, m.Metric, m.Value, m.Tags)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	client, err := collector.New(collector.Config{
		URL:     server.URL,
		Tags:    map[string]string{"host": "web01"},
		OnError: func(err error) { fmt.Println(err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Record("signups", 3, nil)
	client.RecordProcessingTime("index", 12500*time.Microsecond, "", map[string]string{"shard": "7"})
	client.RecordQueueSize("mail", 12, nil)
	if err := client.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("dropped:", client.Dropped())
	// Output:
	// /v1/collect signups 3 map[host:web01]
	// /v1/collect processing_time 0.0125 map[host:web01 operation:index shard:7 status:success]
	// /v1/collect queue_size 12 map[host:web01 queue:mail]
	// dropped: 0
}
