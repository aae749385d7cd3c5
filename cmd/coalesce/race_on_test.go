//go:build race

package main

// raceDetector says whether the tests, and so the daemon under test, look for races.
const raceDetector = true
