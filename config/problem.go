package config

import (
	"fmt"
	"strings"
)

// Severity tells errors from warnings.
type Severity uint8

const (
	// Error is the severity of a problem that keeps the daemon from running.
	Error Severity = iota
	// Warning is the severity of a setting that has no effect or is likely a
	// mistake.
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one thing that is wrong with a config.
type Problem struct {
	// File is the config file, or the flag that gave the value, such as
	// "--listen". Empty when neither is known.
	File string
	// Line and Col say where in File, in lines and bytes from 1. Zero when the
	// problem has no place of its own, Col also when it is about the line.
	Line, Col int
	// Severity is Error or Warning.
	Severity Severity
	// Message names the key, the value and what is accepted, on one line.
	Message string
}

// String returns "FILE:LINE:COL: error: MESSAGE", leaving out what is not known.
func (p Problem) String() string {
	switch {
	case p.File == "":
		return fmt.Sprintf("%s: %s", p.Severity, p.Message)
	case p.Line == 0:
		return fmt.Sprintf("%s: %s: %s", p.File, p.Severity, p.Message)
	}
	place := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Col > 0 {
		place += fmt.Sprintf(":%d", p.Col)
	}
	return fmt.Sprintf("%s: %s: %s", place, p.Severity, p.Message)
}

// Problems lists what is wrong with one config, in the order of the file. As an
// error it reads as one problem a line; obtain that by [Problems.Err], which is
// nil for a usable config.
type Problems []Problem

// Err returns the problems that are errors, or nil when there are none.
func (ps Problems) Err() error {
	var errs Problems
	for _, p := range ps {
		if p.Severity == Error {
			errs = append(errs, p)
		}
	}
	if errs == nil {
		return nil
	}
	return errs
}

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
