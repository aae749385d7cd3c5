package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "0s": 0, "0d": 0, "5s": 5 * time.Second, "10m": 10 * time.Minute, "1d": 24 * time.Hour,
		"1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0.5d": 12 * time.Hour, "1d12h": 36 * time.Hour,
		"100ms": 100 * time.Millisecond, "7us": 7 * time.Microsecond, "7µs": 7 * time.Microsecond, "9ns": 9,
		"106000d": 106_000 * 24 * time.Hour,
	}
	for text, want := range good {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q = %v, %v; want %v", text, time.Duration(d), err, want)
		}
	}
	bad := []string{"", " ", "5", "s", "d", "-5s", "+5s", "5 s", "1h2d", "1d2d", "1d 2h", "0x5d", "1e3d", "infd", "nand",
		"1_0d", "107000d", "106000d24000h", "9999999h", "5S", "5min", "5s\x00", "1d-1h", ".d"}
	for _, text := range bad {
		d := Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != 7 {
			t.Errorf("%q was read as %v, %v", text, d, err)
		}
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[Duration]string{
		0: "0s", 5 * Second: "5s", 90 * Minute: "1h30m", Day: "1d", 1500 * Millisecond: "1s500ms", 1001: "1us1ns",
	} {
		if got := d.String(); got != want {
			t.Errorf("%d = %q, want %q", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Duration(rapid.Int64Range(0, int64(106_000*Day)).Draw(t, "duration"))
		var got Duration
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%v read back as %v, %v", want, got, err)
		}
	})
}

func TestSize(t *testing.T) {
	good := map[string]int64{
		"0": 0, "0B": 0, "5": 5, "5B": 5, "16KiB": 16384, "64MiB": 67108864, "3GiB": 3221225472, "1TiB": 1099511627776,
		"9223372036854775807": 9223372036854775807, "8388607TiB": 9223370937343148032,
	}
	for text, want := range good {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || int64(s) != want {
			t.Errorf("%q = %d, %v; want %d", text, int64(s), err, want)
		}
	}
	bad := []string{"", "B", "KiB", "-1", "+1", "1.5KiB", "1 KiB", "1KB", "1kib", "1K", "1KiBB", "0x10", "1_000",
		"8388608TiB", "9223372036854775808"}
	for _, text := range bad {
		s := Size(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q was read as %d, %v", text, s, err)
		}
	}
}

func TestSizeString(t *testing.T) {
	for s, want := range map[Size]string{0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 3 << 20: "3MiB", 1 << 40: "1TiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d = %q, want %q", int64(s), got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "size"))
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%v read back as %v, %v", want, got, err)
		}
	})
}
