// A verifier of published logs that shares no code with the program that published them.
//
// Usage: verifier DIRECTORY CHECKPOINTS
//
// DIRECTORY is a log as `manage.py evidence publish` writes it, and CHECKPOINTS a directory of
// signed checkpoints of that log. Signatures are verified by golang.org/x/mod/sumdb/note, proofs
// by golang.org/x/mod/sumdb/tlog. Prints a JSON object of counts; exits with 1 if anything is wrong.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height, width = 8, 256

type published string

// The paths of C2SP are those of Go without the height.
func (p published) path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return filepath.Join(string(p), strings.Replace(path, "tile/data/", "tile/entries/", 1))
}

func (p published) Height() int                     { return height }
func (p published) SaveTiles([]tlog.Tile, [][]byte) {}

func (p published) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		hashes, err := os.ReadFile(p.path(tile))
		if err != nil {
			return nil, err
		}
		found = append(found, hashes)
	}
	return found, nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func verifiers(path string) (found []note.Verifier) {
	keys, err := os.ReadFile(path)
	check(err)
	for _, line := range strings.Split(strings.TrimSpace(string(keys)), "\n") {
		verifier, err := note.NewVerifier(strings.Fields(line)[0])
		check(err)
		found = append(found, verifier)
	}
	return found
}

// Returns the size and root that a checkpoint signs, and the number of signatures by known keys.
func opened(path string, known []note.Verifier) (tlog.Tree, int) {
	text, err := os.ReadFile(path)
	check(err)
	signed, err := note.Open(text, note.VerifierList(known...))
	check(err)
	lines := strings.Split(signed.Text, "\n")
	if lines[0] != known[0].Name() || len(lines) != 4 {
		check(fmt.Errorf("%s: not a checkpoint of %s", path, known[0].Name()))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}, len(signed.Sigs)
}

// Returns the entries of the leaves from a number on, until the end of their bundle.
func entries(p published, first, size int64) (found [][]byte) {
	tile := tlog.Tile{H: height, L: -1, N: first / width, W: width}
	if size-first < width {
		tile.W = int(size - first)
	}
	bundle, err := os.ReadFile(p.path(tile))
	check(err)
	for len(bundle) > 0 {
		length := 2 + int(binary.BigEndian.Uint16(bundle))
		found = append(found, bundle[2:length])
		bundle = bundle[length:]
	}
	if len(found) != tile.W {
		check(fmt.Errorf("%s: %d entries", p.path(tile), len(found)))
	}
	return found
}

func main() {
	log := published(os.Args[1])
	known := verifiers(filepath.Join(os.Args[1], "keys"))
	last, signatures := opened(filepath.Join(os.Args[1], "checkpoint"), known)
	reader := tlog.TileHashReader(last, log)

	paths, err := filepath.Glob(filepath.Join(os.Args[2], "*"))
	check(err)
	for _, path := range paths {
		old, number := opened(path, known)
		signatures += number
		proof, err := tlog.ProveTree(last.N, old.N, reader)
		check(err)
		check(tlog.CheckTree(proof, last.N, last.Hash, old.N, old.Hash))
	}

	for first := int64(0); first < last.N; first += width {
		for offset, entry := range entries(log, first, last.N) {
			index := first + int64(offset)
			proof, err := tlog.ProveRecord(last.N, index, reader)
			check(err)
			hash := tlog.RecordHash(entry)
			if err := tlog.CheckRecord(proof, last.N, last.Hash, index, hash); err != nil {
				check(fmt.Errorf("leaf %d is not included: %w", index, err))
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"checkpoints": int64(len(paths)), "signatures": int64(signatures), "leaves": last.N,
	}))
}
