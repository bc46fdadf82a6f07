"""Green threads in gdb: of a process, or of a core file.

    (gdb) source greenroom.py
    (gdb) greenroom list          all of them, what they do and where they come from
    (gdb) greenroom bt 7          where number 7 stands
    (gdb) greenroom bt all        where all stand
    (gdb) greenroom switch 7      from here on, frames are those of number 7:
                                  bt, up, frame 3, info locals
    (gdb) greenroom switch off    frames are those of gdb's thread again

Nothing is run in the process, and no register is written. The program must not
be stripped of its symbols, as what the runtime says of itself is found by name.
On x86-64.
"""

import bisect
import struct

import gdb
import gdb.unwinder

LAYOUT = "greenroom::green::debugger::LAYOUT"
MAGIC = b"greenroom gdb 2\0"

# As src/green/debugger.rs has them.
WORDS = """
    slabs slab_low slab_stride slab_slots slab_top slab_page slab_made slab_next
    tag_size stagger_step stagger_steps tag_owner tag_id
    id state frame coroutine coroutine_size name by parent worker why kind what seat
    body ended c_name c_name_len
    PARKED NOTIFIED DONE
""".split()

# As src/green/why.rs has them, from 1 on.
KINDS = [
    "the end of #{}", "a job on an OS thread", "a place in a thread pool",
    "the end of a thread pool", "a semaphore or pool at {:#x}", "a mutex at {:#x}",
    "a mutex at {:#x}", "a read-write lock at {:#x}", "something in the queue at {:#x}",
    "room in the queue at {:#x}", "C's mutex at {:#x}", "C's read-write lock at {:#x}",
    "an event at {:#x}", "a condition at {:#x}", "nothing but time", "the group at {:#x}",
    "the first of {} things", "the ends of all in its scope",
]


def read(address, length):
    return gdb.selected_inferior().read_memory(address, length).tobytes()


def word(address):
    return struct.unpack("<Q", read(address, 8))[0]


def half(address):
    return struct.unpack("<I", read(address, 4))[0]


def text(address, length):
    return read(address, min(length, 4096)).rstrip(b"\0").decode(errors="replace")


def place_of_layout():
    """By its symbol, or, if the program says more of its variables, by that."""
    symbol = gdb.lookup_static_symbol(LAYOUT) or gdb.lookup_global_symbol(LAYOUT)
    if symbol is not None:
        return int(symbol.value().address)
    known = gdb.execute("info variables debugger::LAYOUT", to_string=True)
    for line in known.splitlines():
        if line.startswith("0x") and "greenroom" in line:
            return int(line.split()[0], 16)
    raise gdb.GdbError("no green threads: %s is not in the program" % LAYOUT)


class Layout:
    """What the runtime says of itself."""

    def __init__(self):
        at = place_of_layout()
        if read(at, 16) != MAGIC:
            raise gdb.GdbError("this script is for another version of greenroom")
        values = struct.unpack("<%dQ" % len(WORDS), read(at + 16, 8 * len(WORDS)))
        self.__dict__.update(zip(WORDS, values))

    def stacks(self):
        """All that have ever been used: where frames may be."""
        slab = word(self.slabs)
        while slab:
            low, stride, slots, top, page, made = (
                word(slab + at)
                for at in (self.slab_low, self.slab_stride, self.slab_slots, self.slab_top,
                           self.slab_page, self.slab_made)
            )
            bits = read(made, (slots + 7) // 8)
            for number in range(slots):
                if bits[number // 8] >> number % 8 & 1:
                    start = low + number * stride
                    stagger = start // page % self.stagger_steps * self.stagger_step
                    yield start + page, start + top - stagger - self.tag_size
            slab = word(slab + self.slab_next)

    def threads(self):
        stacks = sorted(self.stacks())
        found = []
        for start, end in stacks:
            try:
                record = word(end + self.tag_owner)
            except gdb.MemoryError:
                continue  # not in the core file: it was never touched
            if record:
                found.append(Thread(self, record, word(end + self.tag_id), start, end, stacks))
        return sorted(found, key=lambda thread: thread.id)


class Thread:
    """One green thread."""

    def __init__(self, layout, record, number, start, end, stacks):
        self.layout, self.record, self.id = layout, record, number
        self.stacks = [(start, end)]
        self.registers = None
        frame = word(record + layout.frame)
        # Of a generator's stack, while it runs that.
        below = bisect.bisect_left(stacks, (frame + 1,))
        low, high = stacks[below - 1]
        if below and frame < high:
            self.registers = self.saved(low, high, frame)

    def saved(self, low, high, frame):
        """A suspended coroutine has rip, rbx and rbp where its stack pointer points."""
        layout = self.layout
        words = read(self.record + layout.coroutine, layout.coroutine_size)
        for (sp,) in struct.iter_unpack("<Q", words):
            if low <= sp <= frame:
                rip, rbx, rbp = struct.unpack("<3Q", read(sp, 24))
                self.stacks.append((low, high))
                return {"rip": rip, "rbx": rbx, "rbp": rbp, "rsp": sp + 24}
        return None

    def name(self):
        layout, record = self.layout, self.record
        at, length = word(record + layout.name), word(record + layout.name + 8)
        if at:
            return text(at, length)
        if self.is_pthread():
            return text(record + layout.c_name, layout.c_name_len).split("\0")[0]
        return ""

    def is_pthread(self):
        return word(word(self.record + self.layout.body) + self.layout.ended) != 0

    def state(self):
        layout = self.layout
        bits, worker = half(self.record + layout.state), word(self.record + layout.worker)
        if bits & layout.PARKED and not bits & layout.NOTIFIED:
            return "waits"
        if self.registers is None:
            return "runs" if worker else "is about to start"
        if word(worker + layout.seat) == self.record and not bits & layout.NOTIFIED:
            return "waits"
        return "is runnable"

    def waits_for(self):
        why = word(self.record + self.layout.why)
        if self.state() != "waits" or not why:
            return ""
        kind, what = half(why + self.layout.kind), word(why + self.layout.what)
        if not 1 <= kind <= len(KINDS):
            return ""
        return " for " + KINDS[kind - 1].format(what)

    def origin(self):
        by, parent = word(self.record + self.layout.by), word(self.record + self.layout.parent)
        if self.is_pthread():
            origin = "made by pthread_create"
        else:
            origin = "spawned at %s:%d" % (text(word(by), word(by + 8)), half(by + 16))
        return origin + (" by #%d" % parent if parent else "")

    def __str__(self):
        name = self.name()
        name = " '%s'" % name if name else ""
        return "#%d%s %s%s; %s" % (self.id, name, self.state(), self.waits_for(), self.origin())

    def os_thread(self):
        """The one that runs it now."""
        was = gdb.selected_thread()
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                if self.holds(gdb.newest_frame()):
                    return thread
        finally:
            was.switch()
        return None

    def holds(self, frame):
        sp = int(frame.read_register("rsp"))
        return any(low <= sp <= high for low, high in self.stacks)

    def print_frames(self):
        if self.registers is None:
            return self.print_running()
        UNWINDER.show(self)
        try:
            self.print_from(gdb.newest_frame().older())
        finally:
            UNWINDER.hide()

    def print_running(self):
        thread = self.os_thread()
        if thread is None:
            print("    no frames: it is between two states")
            return
        was = gdb.selected_thread()
        thread.switch()
        try:
            print("    on gdb's thread %d" % thread.num)
            self.print_from(gdb.newest_frame())
        finally:
            was.switch()

    def print_from(self, frame):
        number = 0
        # Beyond its own stack lies what its worker did when it last ran it.
        while frame is not None and frame.pc() and self.holds(frame):
            place = frame.find_sal()
            where = " at %s:%d" % (place.symtab.filename, place.line) if place.symtab else ""
            print("    %-3d %#x in %s%s" % (number, frame.pc(), frame.name() or "??", where))
            frame = frame.older()
            number += 1


class Id:
    """Names a frame for gdb."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Unwinder(gdb.unwinder.Unwinder):
    """Lets the innermost frame of gdb's thread seem to be called by a green thread."""

    def __init__(self):
        super().__init__("greenroom")
        self.thread = self.at = None

    def show(self, thread):
        self.hide()
        top = gdb.newest_frame()
        self.at = int(top.read_register("rsp")), int(top.read_register("rip"))
        self.thread = thread
        gdb.invalidate_cached_frames()

    def hide(self):
        self.thread = None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.thread is None:
            return None
        sp, pc = pending.read_register("rsp"), pending.read_register("rip")
        if (int(sp), int(pc)) == self.at:
            # gdb wants callers to be above what they call.
            registers = self.thread.registers
            return self.caller(pending, registers["rsp"] - 32, registers)
        if self.is_outermost(int(sp), int(pc)):
            return self.caller(pending, int(sp), {"rip": 0, "rsp": int(sp)})
        return None

    @staticmethod
    def caller(pending, at, registers):
        sp, pc = pending.read_register("rsp"), pending.read_register("rip")
        info = pending.create_unwind_info(Id(gdb.Value(at).cast(sp.type), pc))
        for name, value in registers.items():
            info.add_saved_register(name, gdb.Value(value).cast(pending.read_register(name).type))
        return info

    def is_outermost(self, sp, pc):
        """Beyond it lies what a worker did when it last ran the thread."""
        _, end = self.thread.stacks[0]
        if not end - 512 <= sp <= end:
            return False
        return "stack_init_trampoline" in gdb.execute("info symbol %d" % pc, to_string=True)


UNWINDER = Unwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
gdb.events.cont.connect(lambda event: UNWINDER.hide())


def find(number):
    for thread in Layout().threads():
        if str(thread.id) == number.lstrip("#"):
            return thread
    raise gdb.GdbError("there is no green thread " + number)


class Greenroom(gdb.Command):
    """Green threads: greenroom list, bt ID, bt all, switch ID, switch off."""

    def __init__(self):
        super().__init__("greenroom", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if words == ["list"]:
            self.list()
        elif words == ["bt", "all"]:
            for thread in Layout().threads():
                print(thread)
                thread.print_frames()
        elif len(words) == 2 and words[0] == "bt":
            thread = find(words[1])
            print(thread)
            thread.print_frames()
        elif words == ["switch", "off"]:
            UNWINDER.hide()
        elif len(words) == 2 and words[0] == "switch":
            self.switch(find(words[1]))
        else:
            raise gdb.GdbError("usage: " + self.__doc__)

    @staticmethod
    def list():
        threads = Layout().threads()
        for thread in threads:
            print(thread)
        print("%d green threads" % len(threads))

    @staticmethod
    def switch(thread):
        if thread.registers is None:
            running = thread.os_thread()
            if running is None:
                raise gdb.GdbError("it has no frames")
            UNWINDER.hide()
            running.switch()
        else:
            UNWINDER.show(thread)
            gdb.newest_frame().older().select()


Greenroom()
