// A target that is no OpenSSH: golang.org/x/crypto/ssh's server, which takes one plain key and runs commands as whoever runs it:
// server PORT HOST_KEY AUTHORIZED_PUBLIC_KEY.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"

	"golang.org/x/crypto/ssh"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func run(channel ssh.Channel, command string) {
	defer channel.Close()
	program := exec.Command("sh", "-c", command)
	input := must(program.StdinPipe())
	program.Stdout, program.Stderr = channel, channel.Stderr()
	must(0, program.Start())
	go func() {
		io.Copy(input, channel)
		input.Close()
	}()
	code := 0
	var ended *exec.ExitError
	if err := program.Wait(); errors.As(err, &ended) {
		code = ended.ExitCode()
	}
	channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)}))
}

func serve(raw net.Conn, config *ssh.ServerConfig) {
	connection, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	defer connection.Close()
	go ssh.DiscardRequests(requests)
	for opening := range channels {
		if opening.ChannelType() != "session" {
			opening.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, asked, err := opening.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range asked {
				var command struct{ Line string }
				fits := request.Type == "exec" && ssh.Unmarshal(request.Payload, &command) == nil
				request.Reply(fits, nil)
				if fits {
					go run(channel, command.Line)
				}
			}
		}()
	}
}

func main() {
	signer := must(ssh.ParsePrivateKey(must(os.ReadFile(os.Args[2]))))
	allowed, _, _, _, err := ssh.ParseAuthorizedKey(must(os.ReadFile(os.Args[3])))
	must(0, err)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), allowed.Marshal()) {
			return nil, errors.New("not this key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	listener := must(net.Listen("tcp", "127.0.0.1:"+os.Args[1]))
	for {
		go serve(must(listener.Accept()), config)
	}
}
