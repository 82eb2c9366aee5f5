/* Sockets that a service manager has bound: this program is that, too. It starts itself once
 * more with the sockets at 3 and 4, as systemd does. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A TCP and a UDP socket on one free port of loopback, neither close-on-exec. */
static void bind_pair(int fds[2])
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    for (int tries = 0; tries < 100; tries++) {
        memset(&addr, 0, sizeof addr);
        addr.sin_family = AF_INET;
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[0] = socket(AF_INET, SOCK_STREAM, 0);
        fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(fds[0] >= 0 && fds[1] >= 0);
        CHECK(bind(fds[0], (struct sockaddr *)&addr, sizeof addr) == 0);
        CHECK(getsockname(fds[0], (struct sockaddr *)&addr, &len) == 0);
        if (bind(fds[1], (struct sockaddr *)&addr, sizeof addr) == 0)
            return;
        close(fds[0]);
        close(fds[1]);
    }
    CHECK(!"a port that is free in both protocols");
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void a_node_takes_sockets_over(void)
{
    gossip_t *node;
    gossip_listener_t *listener;
    gossip_fd_t here, there;
    struct sockaddr_in bound;
    socklen_t len = sizeof bound;
    gossip_addr_t addr;
    int fds[2], swapped[2];

    bind_pair(fds);
    CHECK(getsockname(fds[0], (struct sockaddr *)&bound, &len) == 0);
    swapped[0] = fds[1]; /* in any order */
    swapped[1] = fds[0];
    OK(gossip_new_with_sockets(NULL, swapped, 2, &node, &err));
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &addr));
    CHECK(addr.port == ntohs(bound.sin_port) && addr.ip[0] == 127);
    OK(gossip_listen(node, 1, &listener, &err));
    OK(gossip_start(node, &err));
    OK(gossip_dial(addr_of(node), 1, PATIENCE_MS, 0, &there, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, 0, &here, NULL));
    close(here);
    close(there);
    gossip_listener_free(listener);
    gossip_free(node);
    int again = socket(AF_INET, SOCK_DGRAM, 0); /* nobody holds it any more */
    CHECK(bind(again, (struct sockaddr *)&bound, sizeof bound) == 0);
    close(again);
}

/* What is wrong with some descriptors is said, and they stay the caller's, as they were. */
static void refuses(gossip_status_t status, const char *text, const int *fds, size_t count)
{
    int open[4], flags[4];
    gossip_t *node;
    gossip_error_t *err;

    CHECK(count <= 4);
    for (size_t i = 0; i < count; i++) {
        open[i] = is_open(fds[i]);
        flags[i] = fcntl(fds[i], F_GETFL);
    }
    EXPECT(status, gossip_new_with_sockets(NULL, fds, count, &node, &err));
    if (strstr(gossip_error_message(err), text) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", gossip_error_message(err), text);
        _exit(1);
    }
    gossip_error_free(err);
    for (size_t i = 0; i < count; i++)
        CHECK(is_open(fds[i]) == open[i] && fcntl(fds[i], F_GETFL) == flags[i]);
}

static void descriptors_that_make_no_port_stay_the_callers(void)
{
    int one[2], other[2], pipes[2], locals[2];

    bind_pair(one);
    bind_pair(other);
    CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, locals) == 0);
    refuses(GOSSIP_ERR_INVALID_ARG, "no sockets to inherit", NULL, 0);
    refuses(GOSSIP_ERR_INVALID_ARG, "lack udp 127.0.0.1", one, 1);
    refuses(GOSSIP_ERR_INVALID_ARG, "holds -1, which is no open descriptor", (int[]){-1}, 1);
    refuses(GOSSIP_ERR_INVALID_ARG, "which is no open descriptor", (int[]){one[0], 4000, one[1]}, 3);
    refuses(GOSSIP_ERR_INVALID_ARG, "which is no socket", (int[]){one[0], one[1], pipes[0]}, 3);
    refuses(GOSSIP_ERR_INVALID_ARG, "no internet socket", (int[]){one[0], one[1], locals[0]}, 3);
    refuses(GOSSIP_ERR_INVALID_ARG, "is given twice", (int[]){one[0], one[1], one[0]}, 3);
    refuses(GOSSIP_ERR_INVALID_ARG, "all share one port", (int[]){one[0], one[1], other[0], other[1]}, 4);
    gossip_t *node;
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_new_with_sockets(NULL, one, 2, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_new_with_sockets(NULL, NULL, 2, &node, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_new_with_sockets(NULL, one, SIZE_MAX, &node, NULL));
    OK(gossip_new_with_sockets(NULL, one, 2, &node, &err)); /* they are as good as ever */
    gossip_free(node);
    close(other[0]);
    close(other[1]);
    close(pipes[0]);
    close(pipes[1]);
    close(locals[0]);
    close(locals[1]);
}

/* Another socket listens on the port already, which is found out last of all. */
static void a_late_refusal_leaves_them_as_they_were(void)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fds[2], other, yes = 1;

    bind_pair(fds);
    CHECK(setsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    CHECK(getsockname(fds[0], (struct sockaddr *)&addr, &len) == 0);
    other = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    CHECK(bind(other, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(other, 1) == 0);
    refuses(GOSSIP_ERR_ADDR_IN_USE, "inherited tcp socket", fds, 2);
    close(other);
    close(fds[0]);
    close(fds[1]);
}

static void passed(const char *pid, const char *count, gossip_status_t status, const char *field)
{
    gossip_fd_t fds[4] = {-7, -7, -7, -7};
    size_t found = 99;
    gossip_error_t *err;

    if (pid == NULL)
        unsetenv("LISTEN_PID");
    else
        setenv("LISTEN_PID", pid, 1);
    if (count == NULL)
        unsetenv("LISTEN_FDS");
    else
        setenv("LISTEN_FDS", count, 1);
    EXPECT(status, gossip_sockets_from_systemd(1, fds, 4, &found, &err));
    CHECK(strcmp(gossip_error_field(err), field) == 0);
    CHECK(strstr(gossip_error_message(err), field) != NULL && fds[0] == -7);
    gossip_error_free(err);
    CHECK((getenv("LISTEN_FDS") != NULL) == (count != NULL)); /* nothing has changed */
}

static void without_sockets_it_says_why(void)
{
    char own[24];

    snprintf(own, sizeof own, "%ld", (long)getpid());
    passed(NULL, NULL, GOSSIP_ERR_NOT_FOUND, "LISTEN_PID");
    passed(own, NULL, GOSSIP_ERR_NOT_FOUND, "LISTEN_FDS");
    passed("1", "2", GOSSIP_ERR_NOT_FOUND, "LISTEN_PID");
    passed(own, "0", GOSSIP_ERR_NOT_FOUND, "LISTEN_FDS");
    passed("me", "2", GOSSIP_ERR_CONFIG, "LISTEN_PID");
    passed(own, "two", GOSSIP_ERR_CONFIG, "LISTEN_FDS");
    passed(own, "-2", GOSSIP_ERR_CONFIG, "LISTEN_FDS");
    passed(own, "99999999999999999999", GOSSIP_ERR_CONFIG, "LISTEN_FDS");
    passed(own, "9000000000", GOSSIP_ERR_CONFIG, "LISTEN_FDS");
}

/* What a program does that is started by socket activation. */
static int serve(void)
{
    gossip_fd_t fds[2], here;
    size_t count = 0;
    gossip_t *node;
    gossip_listener_t *listener;
    char word[4];

    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_sockets_from_systemd(1, NULL, 0, &count, NULL));
    CHECK(count == 2 && getenv("LISTEN_FDS") != NULL);
    OK(gossip_sockets_from_systemd(0, fds, 2, &count, &err));
    CHECK(count == 2 && fds[0] == 3 && fds[1] == 4 && getenv("LISTEN_FDS") != NULL);
    CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) && (fcntl(4, F_GETFD) & FD_CLOEXEC));
    OK(gossip_sockets_from_systemd(1, fds, 2, &count, &err));
    CHECK(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDNAMES") == NULL);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_sockets_from_systemd(1, fds, 2, &count, NULL));

    OK(gossip_new_with_sockets(NULL, fds, count, &node, &err));
    OK(gossip_listen_tcp(node, &listener, &err));
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, NULL));
    CHECK(recv(here, word, 4, MSG_WAITALL) == 4 && memcmp(word, "PING", 4) == 0);
    CHECK(send(here, "PONG", 4, MSG_NOSIGNAL) == 4);
    close(here);
    gossip_listener_free(listener);
    gossip_free(node);
    return 0;
}

static void a_program_is_started_with_its_port_open(const char *self)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fds[2], client, result = -1;
    char pid[24], word[4];
    pid_t child;

    bind_pair(fds);
    CHECK(listen(fds[0], 8) == 0);
    CHECK(getsockname(fds[0], (struct sockaddr *)&addr, &len) == 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* before anybody serves */
    CHECK(connect(client, (struct sockaddr *)&addr, sizeof addr) == 0);
    CHECK(send(client, "PING", 4, MSG_NOSIGNAL) == 4);

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* Above both places first, so that neither is overwritten. */
        int tcp = fcntl(fds[0], F_DUPFD, 10), udp = fcntl(fds[1], F_DUPFD, 10);
        CHECK(tcp >= 0 && udp >= 0 && dup2(tcp, 3) == 3 && dup2(udp, 4) == 4);
        close(tcp);
        close(udp);
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", "gossip:gossip", 1);
        execl(self, self, "serve", (char *)NULL);
        _exit(127);
    }
    CHECK(recv(client, word, 4, MSG_WAITALL) == 4 && memcmp(word, "PONG", 4) == 0);
    CHECK(waitpid(child, &result, 0) == child && WIFEXITED(result) && WEXITSTATUS(result) == 0);
    close(client);
    close(fds[0]);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    start_watchdog();
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return serve();
    without_sockets_it_says_why();
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    a_node_takes_sockets_over();
    descriptors_that_make_no_port_stay_the_callers();
    a_late_refusal_leaves_them_as_they_were();
    a_program_is_started_with_its_port_open(argv[0]);
    return 0;
}
