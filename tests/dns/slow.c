/* A resolver that takes its time, put between the program and libc. It waits
   in the kernel itself: a call of usleep would come to the patch. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void dawdle(void) {
  struct timespec time = {1, 0};
  syscall(SYS_nanosleep, &time, 0);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **list) {
  int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  next = (__typeof__(next))dlsym(RTLD_NEXT, "getaddrinfo");
  dawdle();
  return next(node && !strcmp(node, "slow.test") ? "10.1.2.3" : node, service, hints, list);
}

int gethostbyname_r(const char *name, struct hostent *entry, char *buf, size_t len,
                    struct hostent **result, int *error) {
  int (*next)(const char *, struct hostent *, char *, size_t, struct hostent **, int *);
  next = (__typeof__(next))dlsym(RTLD_NEXT, "gethostbyname_r");
  dawdle();
  return next(name, entry, buf, len, result, error);
}
