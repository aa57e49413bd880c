/* A target that is no OpenSSH: libssh's server, which takes one plain key and runs commands as whoever runs it:
 * server PORT HOST_KEY AUTHORIZED_PUBLIC_KEY. One process and one command a connection. */
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

/* Answers until a command is asked for. */
static char *asked(ssh_session session, ssh_key allowed, ssh_channel *channel) {
  int signed_in = 0;
  char *command = NULL;
  ssh_message message;
  while (command == NULL && (message = ssh_message_get(session)) != NULL) {
    int answered = 0, kind = ssh_message_subtype(message);
    switch (ssh_message_type(message)) {
    case SSH_REQUEST_AUTH:
      if (kind == SSH_AUTH_METHOD_PUBLICKEY && ssh_key_cmp(ssh_message_auth_pubkey(message), allowed, SSH_KEY_CMP_PUBLIC) == 0) {
        if (ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_VALID) {
          signed_in = answered = ssh_message_auth_reply_success(message, 0) == SSH_OK;
        } else if (ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_NONE) {
          answered = ssh_message_auth_reply_pk_ok_simple(message) == SSH_OK;
        }
      }
      if (!answered) ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_PUBLICKEY);
      break;
    case SSH_REQUEST_CHANNEL_OPEN:
      if (signed_in && *channel == NULL && kind == SSH_CHANNEL_SESSION) {
        *channel = ssh_message_channel_request_open_reply_accept(message);
        answered = *channel != NULL;
      }
      break;
    case SSH_REQUEST_CHANNEL:
      if (*channel != NULL && kind == SSH_CHANNEL_REQUEST_EXEC) {
        command = strdup(ssh_message_channel_request_command(message));
        answered = ssh_message_channel_request_reply_success(message) == SSH_OK;
      }
      break;
    }
    if (!answered) ssh_message_reply_default(message);
    ssh_message_free(message);
  }
  return command;
}

/* Reads what the program says on one descriptor; 0 once there is no more. */
static int passed_on(ssh_channel channel, int from, int is_error) {
  char bytes[16384];
  ssize_t count = read(from, bytes, sizeof bytes);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return 0;
  return (is_error ? ssh_channel_write_stderr(channel, bytes, count) : ssh_channel_write(channel, bytes, count)) == count;
}

static void run(ssh_session session, ssh_channel channel, const char *command) {
  int in[2], out[2], err[2], status = 0, waits = 0, at = 0;
  char bytes[16384];
  if (pipe(in) || pipe(out) || pipe(err)) die("pipe", strerror(errno));
  pid_t program = fork();
  if (program == 0) {
    dup2(in[0], 0), dup2(out[1], 1), dup2(err[1], 2);
    for (int each = 3; each < 64; each++) close(each);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  close(in[0]), close(out[1]), close(err[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  int more_out = 1, more_err = 1, more_in = 1;
  while (more_out || more_err) {
    if (more_in && at == waits) {
      int count = ssh_channel_read_nonblocking(channel, bytes, sizeof bytes, 0);
      at = 0, waits = count > 0 ? count : 0;
      if (count < 0 || (count == 0 && ssh_channel_is_eof(channel))) more_in = 0, close(in[1]);
    }
    if (ssh_channel_is_closed(channel) || !ssh_is_connected(session)) break;
    struct pollfd of[] = {
        {more_out ? out[0] : -1, POLLIN, 0},
        {more_err ? err[0] : -1, POLLIN, 0},
        {more_in && at < waits ? in[1] : -1, POLLOUT, 0},
        {more_in && at == waits ? ssh_get_fd(session) : -1, POLLIN, 0},
    };
    if (poll(of, 4, 1000) < 0 && errno != EINTR) break;
    if (of[2].revents) {
      ssize_t count = write(in[1], bytes + at, waits - at);
      if (count > 0) at += count;
      else if (count < 0 && errno != EAGAIN) more_in = 0, close(in[1]);
    }
    if (of[0].revents) more_out = passed_on(channel, out[0], 0);
    if (of[1].revents) more_err = passed_on(channel, err[0], 1);
  }
  if (more_out || more_err) kill(program, SIGHUP);
  waitpid(program, &status, 0);
  if (WIFSIGNALED(status)) {
    ssh_channel_request_send_exit_signal(channel, "TERM", 0, "", "");
  } else {
    ssh_channel_request_send_exit_status(channel, WEXITSTATUS(status));
  }
  ssh_channel_send_eof(channel);
  ssh_channel_close(channel);
  ssh_blocking_flush(session, 5000);
}

int main(int count, char **words) {
  ssh_key allowed = NULL;
  ssh_bind bind = ssh_bind_new();
  if (count != 4) die(words[0], "PORT HOST_KEY AUTHORIZED_PUBLIC_KEY");
  if (ssh_pki_import_pubkey_file(words[3], &allowed) != SSH_OK) die(words[3], "is no public key");
  signal(SIGPIPE, SIG_IGN);
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_BINDADDR, "127.0.0.1");
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_BINDPORT_STR, words[1]);
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HOSTKEY, words[2]);
  if (ssh_bind_listen(bind) != SSH_OK) die("listen", ssh_get_error(bind));
  for (;;) {
    ssh_session session = ssh_new();
    if (ssh_bind_accept(bind, session) == SSH_OK && fork() == 0) {
      ssh_channel channel = NULL;
      char *command = NULL;
      ssh_set_auth_methods(session, SSH_AUTH_METHOD_PUBLICKEY);
      if (ssh_handle_key_exchange(session) == SSH_OK) command = asked(session, allowed, &channel);
      if (command != NULL) run(session, channel, command);
      ssh_disconnect(session);
      exit(0);
    }
    ssh_free(session);
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
  }
}
