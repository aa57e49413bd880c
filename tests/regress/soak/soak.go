// Many connections, by many workers, each ended in one of the ways in which connections end: soak PORT LOGIN KEY COUNT WORKERS.
// Fails when one of them that should have gone well did not.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

var address, login string
var config func(string) *ssh.ClientConfig

func signedIn(user string) (*ssh.Client, net.Conn, error) {
	raw, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return nil, nil, err
	}
	raw.SetDeadline(time.Now().Add(90 * time.Second))
	connection, channels, requests, err := ssh.NewClientConn(raw, address, config(user))
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	return ssh.NewClient(connection, channels, requests), raw, nil
}

func command(client *ssh.Client) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	out, err := session.Output("echo done")
	if err == nil && string(out) != "done\n" {
		err = fmt.Errorf("other output: %q", out)
	}
	return err
}

// abrupt starts a command, moves a little, and is gone in the middle of it.
func abrupt(up bool) error {
	client, raw, err := signedIn(login + "+db1")
	if err != nil {
		return err
	}
	defer raw.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	input, _ := session.StdinPipe()
	output, _ := session.StdoutPipe()
	if up {
		if err = session.Start("cat"); err == nil {
			_, err = input.Write(make([]byte, 100_000))
		}
	} else if err = session.Start("cat /dev/zero"); err == nil {
		_, err = io.ReadFull(output, make([]byte, 100_000))
	}
	return err
}

func one(number int) error {
	switch number % 8 {
	case 3:
		outer, raw, err := signedIn("jump")
		if err != nil {
			return err
		}
		defer raw.Close()
		inside, err := outer.Dial("tcp", "db1:22")
		if err != nil {
			return err
		}
		connection, channels, requests, err := ssh.NewClientConn(inside, "db1:22", config(login))
		if err != nil {
			return err
		}
		client := ssh.NewClient(connection, channels, requests)
		defer client.Close()
		return command(client)
	case 4:
		raw, err := net.DialTimeout("tcp", address, 30*time.Second)
		if err != nil {
			return err
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(60 * time.Second))
		_, err = raw.Read(make([]byte, 64))
		return err
	case 5:
		client, _, err := signedIn(login + "+db1")
		if err != nil {
			return err
		}
		return client.Close()
	case 6:
		return abrupt(false)
	case 7:
		return abrupt(true)
	default:
		client, _, err := signedIn(login + "+db1")
		if err != nil {
			return err
		}
		defer client.Close()
		return command(client)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	address, login = "127.0.0.1:"+os.Args[1], os.Args[2]
	key := os.Args[3]
	signer := must(ssh.ParsePrivateKey(must(os.ReadFile(key))))
	certificate, _, _, _, err := ssh.ParseAuthorizedKey(must(os.ReadFile(key + "-cert.pub")))
	must(0, err)
	both := must(ssh.NewCertSigner(certificate.(*ssh.Certificate), signer))
	config = func(user string) *ssh.ClientConfig {
		return &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(both)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 30 * time.Second}
	}
	count, workers := must(strconv.Atoi(os.Args[4])), must(strconv.Atoi(os.Args[5]))
	var next, failed atomic.Int64
	var all sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for number := int(next.Add(1)) - 1; number < count; number = int(next.Add(1)) - 1 {
				if err := one(number); err != nil && failed.Add(1) <= 10 {
					fmt.Printf("connection %d (kind %d): %v\n", number, number%8, err)
				}
			}
		}()
	}
	all.Wait()
	fmt.Println(count, "connections,", failed.Load(), "failed")
	if failed.Load() > 0 {
		os.Exit(1)
	}
}
