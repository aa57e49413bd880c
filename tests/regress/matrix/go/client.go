// A command or a transfer by golang.org/x/crypto/ssh, as a program on it would do it: client WAY PORT USER KEY OP ARGUMENT...
// (library.py has the words).
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}

func packaged() string {
	name := "golang-golang-x-crypto-dev"
	said, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "of an unknown version"
	}
	return string(said)
}

func connected(way, port, user, key string) *ssh.Client {
	bytes, err := os.ReadFile(key)
	must(err)
	signer, err := ssh.ParsePrivateKey(bytes)
	must(err)
	config := func(name string) *ssh.ClientConfig {
		return &ssh.ClientConfig{
			User: name, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
			HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 30 * time.Second,
		}
	}
	if way == "plain" {
		client, err := ssh.Dial("tcp", "127.0.0.1:"+port, config(user))
		must(err)
		return client
	}
	outer, err := ssh.Dial("tcp", "127.0.0.1:"+port, config("jump"))
	must(err)
	inner, err := outer.Dial("tcp", "db1:22")
	must(err)
	connection, channels, requests, err := ssh.NewClientConn(inner, "db1:22", config(user))
	must(err)
	return ssh.NewClient(connection, channels, requests)
}

func run(client *ssh.Client, command string, pty bool) {
	session, err := client.NewSession()
	must(err)
	if pty {
		must(session.RequestPty("vt100", 24, 80, ssh.TerminalModes{}))
	}
	// Not session.Stdin: then Wait waits for our own input too.
	input, err := session.StdinPipe()
	must(err)
	session.Stdout, session.Stderr = os.Stdout, os.Stderr
	must(session.Start(command))
	go func() {
		io.Copy(input, os.Stdin)
		input.Close()
	}()
	var ended *ssh.ExitError
	if err := session.Wait(); errors.As(err, &ended) {
		os.Exit(ended.ExitStatus())
	} else {
		must(err)
	}
}

func copied(to io.WriteCloser, from io.Reader) {
	_, err := io.Copy(to, from)
	must(err)
	must(to.Close())
}

func main() {
	way, port, user, key, op, args := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6:]
	if op == "version" {
		// Built from the system's sources, which name no version: their package does.
		fmt.Println("golang.org/x/crypto/ssh", packaged(), runtime.Version())
		return
	}
	client := connected(way, port, user, key)
	if op == "run" || op == "pty" {
		run(client, args[0], op == "pty")
		return
	}
	files, err := sftp.NewClient(client)
	must(err)
	if op == "put" {
		from, err := os.Open(args[0])
		must(err)
		to, err := files.Create(args[1])
		must(err)
		copied(to, from)
	} else {
		from, err := files.Open(args[0])
		must(err)
		to, err := os.Create(args[1])
		must(err)
		copied(to, from)
	}
}
