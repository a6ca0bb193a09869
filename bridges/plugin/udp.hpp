/* One UDP socket on 127.0.0.1, the monotonic clock, and another program started: Linux, macOS, Windows. */

#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <winsock2.h>
#include <windows.h>
#include <io.h>
#else
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
extern char** environ;
#endif

namespace rnnmuse {

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Udp {
 public:
  Udp() {
#ifdef _WIN32
    WSADATA about;
    WSAStartup(MAKEWORD(2, 2), &about);
#endif
    socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in here = address(0);
    const int room = 1 << 20; /* where this thread is kept waiting, dense notes fill the usual buffer */
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, reinterpret_cast<const char*>(&room), sizeof room);
    open_ = ::bind(socket_, reinterpret_cast<sockaddr*>(&here), sizeof here) == 0;
#ifdef _WIN32
    u_long on = 1;
    ioctlsocket(socket_, FIONBIO, &on);
    BOOL off = FALSE; /* an answer that nobody listens is not an error of the next receive */
    DWORD got;
    WSAIoctl(socket_, 0x9800000C /* SIO_UDP_CONNRESET */, &off, sizeof off, nullptr, 0, &got, nullptr, nullptr);
#else
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    fcntl(socket_, F_SETFD, FD_CLOEXEC);
#endif
  }
  ~Udp() {
#ifdef _WIN32
    closesocket(socket_);
    WSACleanup();
#else
    ::close(socket_);
#endif
  }
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;

  bool open() const { return open_; }

  void send(int port, const void* data, size_t size) {
    const sockaddr_in to = address(port);
    if (size) ::sendto(socket_, static_cast<const char*>(data), size, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }

  /* Wait up to so many milliseconds for a packet of that port; its size, 0 for none. */
  size_t receive(int port, void* data, size_t size, int wait) {
    for (;;) {
      if (wait) {
#ifdef _WIN32
        WSAPOLLFD one = {socket_, POLLRDNORM, 0};
        WSAPoll(&one, 1, wait);
#else
        pollfd one = {socket_, POLLIN, 0};
        ::poll(&one, 1, wait);
#endif
        wait = 0;
      }
      sockaddr_in from{};
#ifdef _WIN32
      int length = sizeof from;
#else
      socklen_t length = sizeof from;
#endif
      const auto got = ::recvfrom(socket_, static_cast<char*>(data), size, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got <= 0) return 0;
      if (ntohs(from.sin_port) == port) return static_cast<size_t>(got);
    }
  }

 private:
  static sockaddr_in address(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(static_cast<uint16_t>(port));
    return out;
  }

#ifdef _WIN32
  SOCKET socket_;
#else
  int socket_;
#endif
  bool open_ = false;
};

/* A program of its own, without a terminal or window; false where it cannot be started. */
inline bool start_program(const std::vector<std::string>& words) {
  if (words.empty()) return false;
#ifdef _WIN32
  std::wstring line;
  for (const std::string& word : words) {
    std::wstring wide(word.size() + 1, 0);
    wide.resize(static_cast<size_t>(MultiByteToWideChar(CP_UTF8, 0, word.data(), static_cast<int>(word.size()), &wide[0], static_cast<int>(wide.size()))));
    line += (line.empty() ? L"\"" : L" \"") + wide + L"\"";
  }
  STARTUPINFOW begin{};
  begin.cb = sizeof begin;
  PROCESS_INFORMATION made{};
  if (!CreateProcessW(nullptr, &line[0], nullptr, nullptr, FALSE, CREATE_NO_WINDOW | DETACHED_PROCESS, nullptr, nullptr, &begin, &made)) return false;
  CloseHandle(made.hThread), CloseHandle(made.hProcess);
  return true;
#else
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&how, &none);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP; /* a Ctrl-C for the host is not for it */
  posix_spawnattr_setflags(&how, flags);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], &files, &how, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&how);
  return !failed;
#endif
}

}  // namespace rnnmuse
