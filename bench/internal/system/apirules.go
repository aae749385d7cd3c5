package system

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/bench/internal/workload"
	"github.com/coalesce-metrics/coalesce/rulebook"
	"github.com/coalesce-metrics/coalesce/rules"
)

// rulesFile is where coalesce has the rules that were made over HTTP.
const rulesFile = DataDir + "/api-rules"

// rulesEach is how many of them one key has.
const rulesEach = 200

var (
	rulesMu   sync.Mutex
	rulesText = map[int]string{}
)

// apiRules returns the file that the daemon is left with when n rules have been made
// over HTTP. To make them one by one takes minutes, as each of them is to be on the
// disk and in force before it is answered.
func apiRules(n int) string {
	rulesMu.Lock()
	defer rulesMu.Unlock()
	if text, ok := rulesText[n]; ok {
		return text
	}
	text, err := makeAPIRules(n)
	if err != nil {
		panic("bench: rules over HTTP: " + err.Error()) // the workload is wrong, or the disk full
	}
	rulesText[n] = text
	return text
}

func makeAPIRules(n int) (text string, err error) {
	dir, err := os.MkdirTemp("", "coalesce-bench-rules-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, filepath.Base(rulesFile))
	book, err := rulebook.Open(rulebook.Config{
		Path: path, Period: 30, MaxPerOwner: rulesEach, MaxOutputs: 1,
		Names: func() []string { return nil },
		Apply: func([]*rules.Rule) {},
		Now:   time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	for i := range n {
		pattern, output := workload.APIRule(i)
		if _, err := book.Create(context.Background(), fmt.Sprintf("team%d", i/rulesEach), pattern, output); err != nil {
			return "", err
		}
	}
	if err := book.Close(); err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
