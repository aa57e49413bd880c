// Checks a bundle of evidence with the packages that Go's checksum database is checked with: golang.org/x/mod/sumdb/note and
// sumdb/tlog. Shares no code with the bastion, and knows nothing of it but docs/EVIDENCE.md. For tests.
//
//	go run bundle.go BUNDLE.tar TRUST
//
// Checks signatures, cosignatures and quorum, completeness of the period, texts, recordings, stamps, tables and the list of files. Whether a
// record is canonical JSON and whether tar headers are as they must be is left to the other two verifiers.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type listed struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Sha256 string `json:"sha256"`
}

type manifest struct {
	Format  string           `json:"format"`
	Origin  string           `json:"origin"`
	From    string           `json:"from"`
	To      string           `json:"to"`
	First   int64            `json:"first"`
	End     int64            `json:"end"`
	Counts  map[string]int64 `json:"counts"`
	Files   []listed         `json:"files"`
	Missing []struct {
		Name string `json:"name"`
		Why  string `json:"why"`
	} `json:"missing"`
	Withheld int64 `json:"withheld"`
}

// population is a table that follows from the records: which are its rows, and which fields of their bodies are columns.
type population struct{ name, kinds, fields string }

var populations = []population{
	{"approvals", "approval.requested", "id quorum groups rules policy expires command reason"},
	{"authentications", "authn.oidc authn.ssh authn.ssh_failures", "issuer subject method amr acr flow key counts reason"},
	{"break-glass", "approval.break_glass approval.break_glass_reviewed", "id principal reason alerted until finding"},
	{"certificates", "cert.issued cert.revoked identity.reinstated key.remembered", "authority serial key_id principals valid_before serials reason"},
	{"decisions", "authz.decision", "action rules errors policy pass obligations command"},
	{"masking", "mask.applied", "recording rule stream count bytes"},
	{"policy-changes", "config.changed policy.changed target.changed tls.changed", "old new files added changed removed restart"},
	{"sessions", "session.start", "action pty recording"},
}

// envelope is what of a record stands in every table. A field of the body is kept in its own bytes.
type envelope struct {
	Seq                              int64
	ID, Time, Kind, Outcome, Session string
	Actor                            struct{ Name, Iss, Sub, Src string }
	Target                           struct{ Name, Login string }
	Body                             map[string]json.RawMessage
}

func cell(text string) string {
	var out strings.Builder
	if strings.IndexAny(text, "=+-@") == 0 {
		out.WriteByte('\'')
	}
	for _, c := range text {
		switch {
		case c == '\\':
			out.WriteString(`\\`)
		case c == '"':
			out.WriteString(`""`)
		case ' ' <= c && c <= '~':
			out.WriteRune(c)
		default:
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
	}
	if strings.ContainsAny(text, `,"`) {
		return `"` + out.String() + `"`
	}
	return out.String()
}

func row(of population, record envelope, leaf tlog.Hash, from, to string) string {
	within := "no"
	if from <= record.Time && record.Time < to {
		within = "yes"
	}
	cells := []string{within, record.Time, record.Kind, record.Outcome, record.Actor.Name, record.Actor.Iss, record.Actor.Sub,
		record.Actor.Src, record.Session, record.Target.Name, record.Target.Login}
	for _, name := range strings.Fields(of.fields) {
		raw := record.Body[name]
		var text string
		var outside struct{ Payload struct{ Alg, Hash string } }
		if json.Unmarshal(raw, &text) == nil {
			cells = append(cells, text)
		} else if json.Unmarshal(raw, &outside) == nil && outside.Payload.Alg == "sha256-salted" {
			cells = append(cells, outside.Payload.Hash)
		} else {
			cells = append(cells, string(raw))
		}
	}
	cells = append(cells, record.ID, strconv.FormatInt(record.Seq, 10), hex.EncodeToString(leaf[:]))
	for i, text := range cells {
		cells[i] = cell(text)
	}
	return strings.Join(cells, ",") + "\n"
}

type extent struct {
	frames, stored int64
	root           string
}

// tree is a compact range, hashed with tlog's own functions.
type tree struct {
	size  int64
	peaks []tlog.Hash
}

func (t *tree) push(hash tlog.Hash) {
	for size := t.size; size&1 == 1; size >>= 1 {
		hash = tlog.NodeHash(t.peaks[len(t.peaks)-1], hash)
		t.peaks = t.peaks[:len(t.peaks)-1]
	}
	t.peaks = append(t.peaks, hash)
	t.size++
}

func (t *tree) root() tlog.Hash {
	if len(t.peaks) == 0 {
		return sha256.Sum256(nil)
	}
	out := t.peaks[len(t.peaks)-1]
	for i := len(t.peaks) - 2; i >= 0; i-- {
		out = tlog.NodeHash(t.peaks[i], out)
	}
	return out
}

// whole is a tree from its first leaf on, as tlog stores it, so that tlog.TreeHash can be asked.
type whole []tlog.Hash

func (w whole) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, index := range indexes {
		if index >= int64(len(w)) {
			return nil, errors.New("no such hash")
		}
		out = append(out, w[index])
	}
	return out, nil
}

func checkpoint(signed []byte, verifier note.Verifier) (int64, tlog.Hash, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, tlog.Hash{}, errors.New("is no checkpoint of " + verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, err64 := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || err64 != nil || len(root) != 32 {
		return 0, tlog.Hash{}, errors.New("is no checkpoint")
	}
	var hash tlog.Hash
	copy(hash[:], root)
	return size, hash, nil
}

// witness verifies cosignatures as note.Verifier, which x/mod itself does not have: C2SP tlog-cosignature, type 4.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newWitness(text string) (*witness, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("no key of a witness: " + text)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("no key of a witness: " + text)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if hex.EncodeToString(sum[:4]) != parts[1] {
		return nil, errors.New("the key of a witness does not have its own id: " + text)
	}
	return &witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return time < 1<<63 && ed25519.Verify(w.key, []byte(message), signature[8:])
}

// quorum says whether as many witnesses have signed as the trust file asks for.
func quorum(signed []byte, log note.Verifier, trust string) error {
	verifiers, keys := []note.Verifier{log}, map[string]*witness{}
	asked := ""
	for _, line := range strings.Split(trust, "\n") {
		words := strings.Fields(line)
		if len(words) >= 3 && words[0] == "witness" {
			found, err := newWitness(words[2])
			if err != nil {
				return err
			}
			keys[words[1]] = found
			verifiers = append(verifiers, found)
		} else if len(words) == 2 && words[0] == "quorum" {
			asked = words[1]
		}
	}
	if asked == "none" {
		return nil
	}
	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	good := map[string]bool{}
	for name, key := range keys {
		for _, signature := range opened.Sigs {
			good[name] = good[name] || (signature.Name == key.name && signature.Hash == key.hash)
		}
	}
	// A group names only what stands before it.
	for _, line := range strings.Split(trust, "\n") {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != "group" {
			continue
		}
		met, wanted := 0, len(words)-3
		for _, member := range words[3:] {
			if good[member] {
				met++
			}
		}
		if words[2] == "any" {
			wanted = 1
		} else if words[2] != "all" {
			if wanted, err = strconv.Atoi(words[2]); err != nil || wanted < 1 {
				return errors.New("no threshold: " + line)
			}
		}
		good[words[1]] = met >= wanted
	}
	if !good[asked] {
		return errors.New("no quorum")
	}
	return nil
}

func check(bundle io.Reader, trust string) error {
	var verifier note.Verifier
	for _, line := range strings.Split(trust, "\n") {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "log" {
			found, err := note.NewVerifier(words[1])
			if err != nil {
				return err
			}
			verifier = found
		}
	}
	if verifier == nil {
		return errors.New("the trust file names no log")
	}
	files, order := map[string][]byte{}, []listed{}
	for archive := tar.NewReader(bundle); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if _, twice := files[header.Name]; twice || header.Typeflag != tar.TypeReg {
			return errors.New(header.Name + " is no plain file, or stands twice")
		}
		sum := sha256.Sum256(content)
		files[header.Name] = content
		order = append(order, listed{header.Name, header.Size, hex.EncodeToString(sum[:])})
	}

	before := int64(0)
	beforeRoot := tlog.Hash(sha256.Sum256(nil))
	var err error
	if len(files["checkpoint.a"]) > 0 {
		if before, beforeRoot, err = checkpoint(files["checkpoint.a"], verifier); err != nil {
			return fmt.Errorf("checkpoint.a: %w", err)
		}
	}
	behind, behindRoot, err := checkpoint(files["checkpoint.b"], verifier)
	if err != nil {
		return fmt.Errorf("checkpoint.b: %w", err)
	}
	if err := quorum(files["checkpoint.b"], verifier, trust); err != nil {
		return fmt.Errorf("checkpoint.b: %w", err)
	}

	log := tree{size: before}
	for _, line := range strings.Fields(string(files["prefix.hashes"])) {
		hash, err := hex.DecodeString(line)
		if err != nil || len(hash) != 32 {
			return errors.New("prefix.hashes: is no list of hashes")
		}
		log.peaks = append(log.peaks, *(*tlog.Hash)(hash))
	}
	if log.root() != beforeRoot {
		return errors.New("prefix.hashes: has another root than checkpoint.a")
	}
	dates := append(strings.Fields(string(files["period.txt"])), "", "")
	tables, withheld := map[string]*strings.Builder{}, false
	for _, of := range populations {
		tables[of.name] = &strings.Builder{}
		head := strings.Fields("in_period time kind outcome by iss sub src session target login " + of.fields + " record seq leaf")
		fmt.Fprintln(tables[of.name], strings.Join(head, ","))
	}
	counts, recordings, texts := map[string]int64{}, map[string]extent{}, map[string]bool{}
	var stored whole
	var successions []string
	var receipts []receipt
	lines := bufio.NewScanner(bytes.NewReader(files["records.jsonl"]))
	for lines.Scan() {
		index, hash := log.size, tlog.RecordHash(lines.Bytes())
		var record struct {
			Withheld string
			Seq      int64
			Kind     string
			Session  string
			Body     map[string]interface{}
		}
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		if err := decoder.Decode(&record); err != nil {
			return fmt.Errorf("records.jsonl: record %d: %w", index, err)
		}
		if record.Withheld != "" {
			leaf, err := hex.DecodeString(record.Withheld)
			if err != nil || len(leaf) != 32 {
				return fmt.Errorf("records.jsonl: record %d is no hash", index)
			}
			hash, withheld = *(*tlog.Hash)(leaf), true
		} else if record.Seq != index {
			return fmt.Errorf("records.jsonl: record %d says that it is %d", index, record.Seq)
		} else {
			counts[record.Kind]++
			payloads(record.Body, texts)
			var whole envelope
			if err := json.Unmarshal(lines.Bytes(), &whole); err != nil {
				return fmt.Errorf("records.jsonl: record %d: %w", index, err)
			}
			for _, of := range populations {
				if strings.Contains(" "+of.kinds+" ", " "+record.Kind+" ") {
					tables[of.name].WriteString(row(of, whole, hash, dates[0], dates[1]))
				}
			}
			switch record.Kind {
			case "anchor.receipt":
				if whole.Outcome == "success" {
					receipts = append(receipts, receipt{index, record.Body})
				}
			case "log.successor":
				told, err := succeeded(record.Body, trust)
				if err != nil {
					return fmt.Errorf("records.jsonl: record %d: %w", index, err)
				}
				successions = append(successions, told)
			case "recording.commit", "recording.close", "recording.recovered", "recording.failed":
				name := fmt.Sprintf("recordings/%s/%v", record.Session, record.Body["recording"])
				frames, _ := strconv.ParseInt(fmt.Sprint(record.Body["frames"]), 10, 64)
				bytes, _ := strconv.ParseInt(fmt.Sprint(record.Body["stored_bytes"]), 10, 64)
				recordings[name] = extent{frames, bytes, fmt.Sprint(record.Body["root"])}
			}
		}
		if before == 0 {
			hashes, err := tlog.StoredHashesForRecordHash(index, hash, stored)
			if err != nil {
				return err
			}
			stored = append(stored, hashes...)
		}
		log.push(hash)
	}
	if log.size != behind || log.root() != behindRoot {
		return errors.New("records.jsonl: has another root than checkpoint.b")
	}
	if before == 0 && behind > 0 {
		if root, err := tlog.TreeHash(behind, stored); err != nil || root != behindRoot {
			return errors.New("records.jsonl: tlog.TreeHash has another root than checkpoint.b")
		}
	}

	var list manifest
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	signed, err := note.Open(files["manifest.note"], note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("manifest.note: %w", err)
	}
	text := fmt.Sprintf("sallyport-bundle/v1\n%s\n%d %d\n%x\n", verifier.Name(), before, behind, sha256.Sum256(files["manifest.json"]))
	if signed.Text != text {
		return errors.New("manifest.note: is not about this manifest.json")
	}
	if len(order) < 2 || !reflect.DeepEqual(order[:len(order)-2], list.Files) {
		return errors.New("manifest.json: lists other files")
	}
	if !reflect.DeepEqual(counts, list.Counts) {
		return errors.New("manifest.json: counts otherwise")
	}
	if dates[0] != "" && (dates[0] != list.From || dates[1] != list.To) {
		return errors.New("period.txt: is not the period of manifest.json")
	}
	for name, content := range files {
		sum := sha256.Sum256(content)
		if digest := strings.TrimPrefix(name, "policies/"); digest != name && digest != hex.EncodeToString(sum[:]) {
			return errors.New(name + ": has another digest")
		}
	}
	checked := 0
	for name, table := range tables {
		content, here := files["population/"+name+".csv"]
		if here != (dates[0] != "" && !withheld) || here && string(content) != table.String() {
			return errors.New("population/" + name + ".csv: is not the table that follows from the records")
		} else if here {
			checked++
		}
	}
	missing := map[string]bool{}
	for _, one := range list.Missing {
		missing[one.Name] = true
	}
	for hash := range texts {
		content, here := files["blobs/"+hash]
		if sum := sha256.Sum256(content); here == missing["blobs/"+hash] || here && hex.EncodeToString(sum[:]) != hash {
			return errors.New("blobs/" + hash + ": is not the text that a record speaks of")
		}
	}
	for name, said := range recordings {
		cast, here := files[name+".cast.zst"]
		if !here && missing[name+".cast.zst"] {
			continue
		}
		var frames tree
		rest := cast
		for _, line := range strings.Fields(string(files[name+".frames"])) {
			length, err := strconv.Atoi(line)
			if err != nil || length <= 0 || length > len(rest) {
				return errors.New(name + ".frames: does not fit the recording")
			}
			frames.push(tlog.RecordHash(rest[:length]))
			rest = rest[length:]
		}
		root := frames.root()
		if len(rest) != 0 || (extent{frames.size, int64(len(cast)), hex.EncodeToString(root[:])}) != said {
			return errors.New(name + ".cast.zst: is not the recording that a record speaks of")
		}
	}
	for _, one := range receipts {
		if err := one.check(files, verifier); err != nil {
			return fmt.Errorf("the stamp of record %d: %w", one.seq, err)
		}
		size, _ := strconv.ParseInt(fmt.Sprint(one.body["size"]), 10, 64)
		if before == 0 && size <= behind {
			root, err := tlog.TreeHash(size, stored)
			if err != nil || hex.EncodeToString(root[:]) != one.body["root"] {
				return fmt.Errorf("the stamp of record %d: is over another tree than the one here", one.seq)
			}
		}
	}
	if len(receipts) > 0 {
		fmt.Printf("stamps %d; who has signed them was not checked\n", len(receipts))
	}
	for _, told := range successions {
		fmt.Println(told)
	}
	fmt.Printf("records %d to %d, %d recordings, %d texts, %d tables; witnesses not checked\n", before, behind-1, len(recordings), len(texts), checked)
	return nil
}

// receipt is a record of a timestamp (RFC 3161) over a checkpoint.
type receipt struct {
	seq  int64
	body map[string]interface{}
}

// check holds the token against the checkpoint and the record, where both are here. Whose signature it has is for `openssl ts`.
func (one receipt) check(files map[string][]byte, verifier note.Verifier) error {
	text := func(name string) []byte {
		part, _ := one.body[name].(map[string]interface{})
		payload, _ := part["payload"].(map[string]interface{})
		stored := files["blobs/"+fmt.Sprint(payload["hash"])]
		if len(stored) < 32 {
			return nil
		}
		return stored[32:]
	}
	stamped, token := text("checkpoint"), text("token")
	if stamped == nil || token == nil {
		return nil
	}
	root, err := hex.DecodeString(fmt.Sprint(one.body["root"]))
	lines := strings.Split(string(stamped), "\n")
	if err != nil || len(lines) < 3 || lines[1] != fmt.Sprint(one.body["size"]) || lines[2] != base64.StdEncoding.EncodeToString(root) {
		return errors.New("is over another checkpoint than the record says")
	}
	if _, _, err := checkpoint(stamped, verifier); lines[0] == verifier.Name() && err != nil {
		return err
	}
	var answer struct {
		Status struct{ Status int }
		Token  struct {
			Type    asn1.ObjectIdentifier
			Content struct {
				Version int
				Digests asn1.RawValue
				Info    struct {
					Type    asn1.ObjectIdentifier
					Content []byte `asn1:"explicit,tag:0"`
				}
			} `asn1:"explicit,tag:0"`
		}
	}
	if _, err := asn1.Unmarshal(token, &answer); err != nil || answer.Status.Status > 1 {
		return fmt.Errorf("is no timestamp: %v", err)
	}
	var info struct {
		Version int
		Policy  asn1.ObjectIdentifier
		Imprint struct {
			Algorithm struct{ Name asn1.ObjectIdentifier }
			Hash      []byte
		}
		Serial asn1.RawValue
		Time   asn1.RawValue
	}
	if _, err := asn1.Unmarshal(answer.Token.Content.Info.Content, &info); err != nil {
		return fmt.Errorf("is no timestamp: %w", err)
	}
	sum := sha256.Sum256(stamped)
	if info.Imprint.Algorithm.Name.String() != "2.16.840.1.101.3.4.2.1" || !bytes.Equal(info.Imprint.Hash, sum[:]) {
		return errors.New("is not over the SHA-256 of its checkpoint")
	}
	said := strings.TrimSuffix(string(info.Time.Bytes), "Z")
	whole, fraction := said, ""
	if at := strings.IndexByte(said, '.'); at >= 0 {
		whole, fraction = said[:at], said[at+1:]
	}
	if len(whole) != 14 {
		return errors.New("says no time")
	}
	fraction = (fraction + "000000")[:6]
	time := fmt.Sprintf("%s-%s-%sT%s:%s:%s.%sZ", whole[:4], whole[4:6], whole[6:8], whole[8:10], whole[10:12], whole[12:14], fraction)
	if time != one.body["time"] {
		return errors.New("says another time than its record")
	}
	return nil
}

// succeeded checks the checkpoint of the log before, which a record names: signed by its key, which the trust file has.
func succeeded(body map[string]interface{}, trust string) (string, error) {
	field := func(name string) string { return fmt.Sprint(body[name]) }
	verifier, err := note.NewVerifier(field("key"))
	if err != nil {
		return "", err
	}
	root, err := hex.DecodeString(field("root"))
	if err != nil {
		return "", err
	}
	text := field("origin") + "\n" + field("size") + "\n" + base64.StdEncoding.EncodeToString(root) + "\n"
	signed := text + "\n\u2014 " + verifier.Name() + " " + field("signature") + "\n"
	if _, _, err := checkpoint([]byte(signed), verifier); err != nil {
		return "", errors.New("names a checkpoint that the log before has not signed")
	}
	for _, line := range strings.Split(trust, "\n") {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == "log" && public(words[1]) == public(field("key")) {
			return fmt.Sprintf("succeeds %s, which had signed %s: %s are here", verifier.Name(), field("size"), field("kept")), nil
		}
	}
	return "", errors.New("names a log before it by a key that nobody vouches for")
}

// public is the key itself in name+id+key.
func public(key string) string {
	parts := strings.SplitN(key, "+", 3)
	return parts[len(parts)-1]
}

func payloads(body map[string]interface{}, found map[string]bool) {
	for _, value := range body {
		part, _ := value.(map[string]interface{})
		if payload, is := part["payload"].(map[string]interface{}); is && payload["alg"] == "sha256-salted" {
			found[fmt.Sprint(payload["hash"])] = true
		} else if part != nil {
			payloads(part, found)
		}
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bundle BUNDLE.tar TRUST")
		os.Exit(2)
	}
	trust, err := os.ReadFile(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := check(file, string(trust)); err != nil {
		fmt.Printf("FAULT %q\n", err)
		os.Exit(3)
	}
}
