package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

const (
	recordFile = "server.json"
	tokenFile  = "operator.token"
)

// Record is what a running site leaves for the commands on its machine.
type Record struct {
	URL   string `json:"url"`
	Pid   int    `json:"pid"`
	Token string `json:"-"` // the operator's token, from a file of its own
}

// ReadRecord reads the record of the site in dir; it is empty when there is
// none or it may not be read.
func ReadRecord(dir string) Record {
	var r Record
	if b, err := os.ReadFile(filepath.Join(dir, recordFile)); err == nil {
		if json.Unmarshal(b, &r) != nil {
			r = Record{}
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, tokenFile)); err == nil {
		r.Token = strings.TrimSpace(string(b))
	}
	return r
}

func writeRecord(dir, url string) error {
	b, err := json.Marshal(Record{URL: url, Pid: os.Getpid()})
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, recordFile+".new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, recordFile))
}
