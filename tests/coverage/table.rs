//! Which of libc's functions are patched, in which family; and of the others,
//! why not. `docs/coverage.md` is made from this.

/// How a group of functions waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Parks, with this family patched.
    Family(&'static str),
    /// Defined by greenroom, and not to wait: the reason is the note.
    Minded,
    /// Not greenroom's, and never waits for anybody.
    AtOnce,
    /// Not greenroom's, and may keep its worker: the note says for what.
    Blocks,
}

pub(crate) struct Group {
    pub(crate) kind: Kind,
    pub(crate) note: &'static str,
    /// Separated by spaces.
    pub(crate) names: &'static str,
}

const fn family(family: &'static str, note: &'static str, names: &'static str) -> Group {
    Group { kind: Kind::Family(family), note, names }
}

const fn minded(note: &'static str, names: &'static str) -> Group {
    Group { kind: Kind::Minded, note, names }
}

const fn at_once(note: &'static str, names: &'static str) -> Group {
    Group { kind: Kind::AtOnce, note, names }
}

const fn blocks(note: &'static str, names: &'static str) -> Group {
    Group { kind: Kind::Blocks, note, names }
}

/// Other names in libc of what is patched; those of the last line are for its
/// own libraries only.
const SECOND_NAMES: &str = "__open __open64 __read __write __pread64 __pwrite64 __connect __send \
     __poll __select __close __dup2 __fcntl __fork __nanosleep __sched_yield __wait __waitpid \
     __sigaction ssignal __pthread_mutex_lock __pthread_mutex_unlock __pthread_once \
     __pthread_rwlock_rdlock __pthread_rwlock_unlock __pthread_rwlock_wrlock \
     __recv __socket __sendmmsg __libc_fcntl64 __libc_fork __libc_system __libc_pread \
     __libc_pwrite";

pub(crate) static TABLE: &[Group] = &[
    family("Sleep", "a timer of the worker", "clock_nanosleep nanosleep usleep sleep sched_yield"),
    family(
        "Socket",
        "parks until the socket is ready",
        "connect accept accept4 recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg \
         __recv_chk __recvfrom_chk",
    ),
    family(
        "Socket and File",
        "sockets, pipes, terminals and their like park until they are ready; files are served \
         from the page cache, or else by the offload pool",
        "read write readv writev __read_chk splice tee vmsplice sendfile sendfile64",
    ),
    family(
        "File",
        "from the page cache, or else by the offload pool",
        "pread pread64 pwrite pwrite64 preadv preadv64 pwritev pwritev64 preadv2 preadv64v2 \
         pwritev2 pwritev64v2 __pread_chk __pread64_chk fsync fdatasync sync_file_range \
         copy_file_range",
    ),
    family(
        "File",
        "locks held by others: the offload pool waits; fcntl: F_SETLKW, F_OFD_SETLKW",
        "flock lockf lockf64 fcntl fcntl64",
    ),
    family(
        "File",
        "a FIFO waits for its other end in the offload pool; all else is opened on the worker",
        "open open64 openat openat64 creat creat64 __open_2 __open64_2 __openat_2 __openat64_2",
    ),
    family(
        "Select",
        "parks until one of the descriptors is ready",
        "poll ppoll __poll_chk __ppoll_chk select pselect epoll_wait epoll_pwait epoll_pwait2",
    ),
    family(
        "Dns",
        "asked by the offload pool",
        "getaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyaddr gethostbyname_r \
         gethostbyname2_r gethostbyaddr_r",
    ),
    family(
        "Process",
        "one child by its pidfd, any child by the offload pool",
        "wait waitpid wait3 wait4 waitid system pclose",
    ),
    family("Sync", "futex waits and wakes, private ones; other system calls pass", "syscall"),
    family(
        "Sync",
        "waits in user space; robust and process-shared ones are libc's, and block the worker",
        "pthread_mutex_lock pthread_mutex_timedlock pthread_mutex_clocklock pthread_mutex_unlock \
         pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait pthread_cond_signal \
         pthread_cond_broadcast pthread_rwlock_rdlock pthread_rwlock_timedrdlock \
         pthread_rwlock_clockrdlock pthread_rwlock_wrlock pthread_rwlock_timedwrlock \
         pthread_rwlock_clockwrlock pthread_rwlock_unlock sem_wait sem_timedwait sem_clockwait \
         sem_post pthread_once pthread_barrier_wait pthread_barrier_destroy",
    ),
    family(
        "Threads",
        "makes green threads, and waits for them",
        "pthread_create pthread_join pthread_tryjoin_np pthread_timedjoin_np \
         pthread_clockjoin_np pthread_detach pthread_exit",
    ),
    family(
        "Threads",
        "what is asked of a green thread, or cannot be done to one",
        "pthread_setname_np pthread_getname_np pthread_getattr_np pthread_kill \
         pthread_sigqueue pthread_cancel pthread_getschedparam pthread_setschedparam \
         pthread_setschedprio pthread_getaffinity_np pthread_setaffinity_np \
         pthread_getcpuclockid",
    ),
    family(
        "Threads",
        "facts of the worker, which it remembers for the threads that std starts",
        "gettid sigaltstack",
    ),
    minded(
        "which of a thread's thread-locals go, and when, for suspended generators",
        "__cxa_thread_atexit_impl",
    ),
    minded(
        "keeps the table of descriptors true",
        "socket socketpair close dup dup2 dup3 ioctl setsockopt",
    ),
    minded("runs under the worker's own thread pointer", "fork _Fork"),
    minded(
        "handlers run as outside: no call in them parks",
        "sigaction signal bsd_signal sysv_signal __sysv_signal",
    ),
    at_once(
        "memory, strings, numbers and facts of the process",
        "_ITM_deregisterTMCloneTable _ITM_registerTMCloneTable __cxa_finalize \
         __errno_location __gmon_start__ __res_init __tls_get_addr \
         __xpg_strerror_r bcmp calloc environ free freeaddrinfo gai_strerror getauxval getcwd \
         getenv gnu_get_libc_version malloc memcmp memcpy memmove memset mmap64 mprotect munmap \
         posix_memalign realloc setenv strlen strnlen sysconf unsetenv clock_gettime getrandom \
         gethostname uselocale getpid getppid getuid dlsym dladdr dl_iterate_phdr \
         __h_errno_location __libc_current_sigrtmax __libc_start_main __register_atfork \
         program_invocation_short_name isatty madvise mmap",
    ),
    at_once("loads libraries, from files, as `open` reads names; the worker waits", "dlopen"),
    at_once(
        "unwinding",
        "_Unwind_Backtrace _Unwind_DeleteException _Unwind_FindEnclosingFunction _Unwind_GetCFA \
         _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo \
         _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_GetTextRelBase \
         _Unwind_RaiseException _Unwind_Resume _Unwind_SetGR _Unwind_SetIP",
    ),
    at_once(
        "the kernel answers at once",
        "bind listen shutdown getpeername getsockname getsockopt pipe2 lseek64 kill setgid \
         setgroups setpgid setsid setuid chroot sched_getaffinity sigaddset \
         sigemptyset pidfd_getpid epoll_create epoll_create1 epoll_ctl eventfd timerfd_create \
         timerfd_settime signalfd inotify_init1 inotify_add_watch memfd_create",
    ),
    at_once(
        "facts of threads",
        "pthread_attr_destroy pthread_attr_getguardsize pthread_attr_getstack pthread_attr_init \
         pthread_attr_setstacksize pthread_key_create pthread_key_delete pthread_self \
         pthread_setspecific pthread_getspecific pthread_equal pthread_mutex_trylock \
         pthread_rwlock_tryrdlock pthread_rwlock_trywrlock sem_trywait \
         pthread_attr_getdetachstate pthread_attr_getstacksize pthread_attr_setdetachstate \
         pthread_attr_setguardsize pthread_attr_setstack pthread_barrier_init \
         pthread_barrierattr_init pthread_barrierattr_setpshared pthread_cond_init \
         pthread_condattr_init pthread_condattr_setclock pthread_condattr_setpshared \
         pthread_mutex_init pthread_mutexattr_init pthread_mutexattr_setprotocol \
         pthread_mutexattr_setpshared pthread_mutexattr_setrobust pthread_mutexattr_settype \
         pthread_rwlock_init pthread_rwlockattr_init pthread_rwlockattr_setpshared \
         pthread_sigmask sem_init sched_getparam sched_getscheduler raise",
    ),
    at_once("ends the process, or becomes another program", "_exit abort exit execvp"),
    at_once(
        "starts a child and waits only until it runs its program",
        "pidfd_spawnp posix_spawnp posix_spawn_file_actions_addchdir \
         posix_spawn_file_actions_addchdir_np posix_spawn_file_actions_adddup2 \
         posix_spawn_file_actions_destroy posix_spawn_file_actions_init posix_spawnattr_destroy \
         posix_spawnattr_init posix_spawnattr_setflags posix_spawnattr_setpgroup \
         posix_spawnattr_setsigdefault popen",
    ),
    blocks(
        "the disk, when names are not in the kernel's cache; microseconds where they are, less \
         than another thread would take. On a slow file system, use greenroom::offload",
        "stat stat64 lstat lstat64 fstat fstat64 fstatat fstatat64 access faccessat statfs fstatfs \
         statvfs link renameat renameat2 mkdirat symlinkat readlinkat utimes utime readdir \
         readdir_r readdir64_r scandir scandir64 ftw ftw64 nftw nftw64 glob truncate truncate64 \
         ftruncate __fxstat64 __fxstatat64 __lxstat64 __xstat64 chdir chmod chown closedir dirfd fchmod \
         fchown fdopendir ftruncate64 futimens lchown linkat mkdir mkfifo opendir readdir64 \
         readlink realpath rename rmdir statx symlink unlink unlinkat utimensat",
    ),
    blocks(
        "the disk, for as long as it takes to write all or much; use greenroom::offload",
        "sync syncfs msync fallocate fallocate64 posix_fallocate posix_fallocate64 mlock mlockall \
         mount umount umount2 swapon swapoff",
    ),
    blocks(
        "a name service, if one is configured for users, services or networks",
        "getpwuid_r getpwnam_r getgrnam_r getgrgid_r getpwnam getpwuid getgrnam getgrgid \
         getgrouplist initgroups getpwent getpwent_r getgrent getgrent_r getlogin getlogin_r \
         getservbyname getservbyport getservbyname_r getservbyport_r getprotobyname getnetbyname \
         getnetbyname_r getnetbyaddr gethostent getnetent",
    ),
    blocks(
        "a name server, which is asked from inside libc; getaddrinfo parks, or use \
         greenroom::offload",
        "res_query res_search res_send res_querydomain res_nquery res_nsearch res_nsend \
         gai_suspend",
    ),
    blocks("the system's log daemon, when that is behind", "syslog vsyslog __syslog_chk"),
    blocks(
        "as the functions of which they are second names, that no header declares",
        SECOND_NAMES,
    ),
    blocks(
        "a signal, which goes to whichever thread it finds (std waits so for the exit that \
         another thread has begun)",
        "pause sigpause sigsuspend sigwait sigwaitinfo sigtimedwait",
    ),
    blocks(
        "what its calls inside libc wait for: they do not come here",
        "fread fwrite fgets getline getdelim fflush fopen fclose fgetc fputs printf scanf \
         flockfile fputc putc putchar puts getc getchar ungetc fprintf vfprintf vprintf dprintf \
         vdprintf fscanf vfscanf fseek fseeko perror freopen fopen64 fcloseall __fread_chk \
         __fgets_chk __printf_chk __fprintf_chk __vfprintf_chk getpass wordexp dlmopen dlclose \
         thrd_create thrd_join thrd_sleep mtx_lock mtx_timedlock cnd_wait cnd_timedwait call_once",
    ),
    blocks(
        "queues and semaphores of System V and POSIX messages, asynchronous IO",
        "msgrcv msgsnd semop semtimedop mq_receive mq_send mq_timedreceive mq_timedsend \
         aio_suspend lio_listio io_getevents",
    ),
    blocks("a terminal that has output left", "tcdrain tcsetattr tcsendbreak"),
    blocks("another thread, by turning", "pthread_spin_lock"),
];
