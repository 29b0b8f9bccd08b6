// floor is a minimal server that pushes one event to many HTTP/1.1 connections: one send(2) each, and no bookkeeping. Its
// cost of a delivery is the cost in the kernel; the cost of another server is given as a multiple of it, measured at the
// same time on the same machine.
//
//   cc -O2 -o floor floor.c && ./floor 9094      GET anything: subscribe; POST anything: the body goes to all
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STREAMS 200000
static int streams[MAX_STREAMS], count;

static void forget(int fd) {
  close(fd);
  for (int i = 0; i < count; i++)
    if (streams[i] == fd) { streams[i] = streams[--count]; return; }
}

static void answer(int fd, char *request) {
  static char frame[1 << 17];
  if (request[0] == 'G') {
    const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n";
    send(fd, head, strlen(head), MSG_NOSIGNAL);
    if (count < MAX_STREAMS) streams[count++] = fd;
    return;
  }
  char *body = strstr(request, "\r\n\r\n");
  int size = snprintf(frame, sizeof frame, "data: %s\n\n", body ? body + 4 : request);
  for (int i = 0; i < count; i++) send(streams[i], frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  const char *ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  send(fd, ok, strlen(ok), MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 9094)};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096)) { perror("floor"); return 1; }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  static char request[1 << 16];
  for (;;) {
    int n = epoll_wait(epoll, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        for (int fresh; (fresh = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0;) {
          setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          event.data.fd = fresh;
          epoll_ctl(epoll, EPOLL_CTL_ADD, fresh, &event);
        }
        continue;
      }
      ssize_t got = recv(fd, request, sizeof request - 1, 0);
      if (got > 0) { request[got] = 0; answer(fd, request); }
      else if (got == 0 || errno != EAGAIN) forget(fd);
    }
  }
}
