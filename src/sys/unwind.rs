//! Walking a stack that does not run, in a copy of it: which code called which.
//!
//! The tables that the compiler leaves for unwinding (`.eh_frame`, DWARF 5,
//! section 6.4) say for each address of code where its caller's registers are.
//! All are read once per address and kept as a few numbers, so that a hundred
//! thousand stacks that wait in the same places cost little more than one.
//! Nothing is read but the copy, so a torn one gives a wrong answer and no
//! fault.

use super::modules::{Module, Modules};
use super::peek;
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, NativeEndian, Pointer, Register,
    RegisterRule, UnwindContext, UnwindSection,
};
use std::collections::HashMap;
use std::ops::Range;
use std::ptr;

/// Registers that a function leaves as they were: DWARF's numbers on x86-64 of
/// rbx, rbp, r12 to r15; rsp and the return address.
const KEPT: [u16; 6] = [3, 6, 12, 13, 14, 15];
const SP: Register = Register(7);
const IP: Register = Register(16);

/// Larger frames are not searched for where they end.
const FRAME: usize = 16 << 10;

/// A copy of the used part of a stack.
#[derive(Clone, Copy)]
pub(crate) struct Copied<'a> {
    pub(crate) start: usize,
    pub(crate) bytes: &'a [u8],
}

impl Copied<'_> {
    /// What lies at `address`, if it is in the copy.
    pub(crate) fn bytes_at<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let at = address.checked_sub(self.start)?;
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(crate) fn word(&self, address: usize) -> Option<usize> {
        self.bytes_at(address).map(usize::from_ne_bytes)
    }
}

/// What `walk_from` starts at: the registers of a thread that was stopped somewhere.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Registers {
    pub(crate) ip: usize,
    pub(crate) sp: usize,
    /// rbx, rbp, r12 to r15, as far as they are known.
    pub(crate) kept: [Option<usize>; 6],
}

/// The registers of one frame, as far as they are known.
struct Frame {
    ip: usize,
    sp: usize,
    kept: [Option<usize>; KEPT.len()],
}

impl Frame {
    /// Of a coroutine that is suspended: `switch.rs` and corosensei leave rip, rbx and
    /// rbp where its stack pointer points, and tell the compiler to save the rest.
    fn suspended(stack: &Copied<'_>, sp: usize) -> Option<Frame> {
        let word = |nth: usize| stack.word(sp + nth * 8);
        let kept = [word(1), word(2), None, None, None, None];
        Some(Frame { ip: word(0)?, sp: sp + 24, kept })
    }
}

/// Where a caller's register is.
#[derive(Clone, Copy)]
enum Place {
    Unchanged,
    /// At the canonical frame address and this.
    Saved(i64),
    Lost,
}

/// How to get from a frame to its caller's.
#[derive(Clone, Copy)]
struct Step {
    /// Where its function begins.
    start: usize,
    /// Whose value and what added makes the canonical frame address; `None`:
    /// the stack pointer's.
    base: Option<usize>,
    offset: i64,
    ip: i64,
    kept: [Place; KEPT.len()],
    /// The caller was interrupted there, and called nothing.
    is_signal: bool,
}

/// Walks stacks, and keeps what it has learnt.
pub(crate) struct Unwinder {
    modules: Modules,
    steps: HashMap<usize, Option<Step>>,
    context: UnwindContext<usize>,
}

impl Unwinder {
    pub(crate) fn new() -> Unwinder {
        let context = UnwindContext::new();
        Unwinder { modules: Modules::load(), steps: HashMap::new(), context }
    }

    /// The addresses of code on the stack of a coroutine that was suspended
    /// with its stack pointer at `sp`, at most so many, the innermost first.
    /// Each lies inside the instruction that calls, not behind it.
    pub(crate) fn walk(&mut self, stack: &Copied<'_>, sp: usize, most: usize) -> Vec<usize> {
        self.walk_up(stack, Frame::suspended(stack, sp), most)
    }

    /// As `walk`, of a thread that was stopped with these registers.
    pub(crate) fn walk_from(
        &mut self,
        stack: &Copied<'_>,
        Registers { ip, sp, kept }: Registers,
        most: usize,
    ) -> Vec<usize> {
        self.walk_up(stack, Some(Frame { ip, sp, kept }), most)
    }

    fn walk_up(&mut self, stack: &Copied<'_>, mut at: Option<Frame>, most: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut look = 0; // at the instruction itself
        while let Some(frame) = at.filter(|_| found.len() < most) {
            let inside = frame.ip.wrapping_sub(look);
            let Some(step) = self.step(inside) else { break };
            found.push(inside);
            look = usize::from(!step.is_signal);
            at = step.caller(&frame, stack);
        }
        found
    }

    fn step(&mut self, ip: usize) -> Option<Step> {
        if let Some(known) = self.steps.get(&ip) {
            return *known;
        }
        let module = self.modules.at(ip);
        let step = module.and_then(|module| learn(module, &mut self.context, ip));
        self.steps.insert(ip, step);
        step
    }
}

impl Step {
    fn caller(&self, frame: &Frame, stack: &Copied<'_>) -> Option<Frame> {
        let base = match self.base {
            None => Some(frame.sp),
            Some(nth) => frame.kept[nth],
        };
        let cfa = match base {
            Some(base) => base.wrapping_add_signed(self.offset as isize),
            None => self.find_call(frame.sp, stack)?,
        };
        if cfa <= frame.sp {
            return None; // callers' frames are above
        }
        let saved = |offset: i64| stack.word(cfa.wrapping_add_signed(offset as isize));
        let mut kept = [None; KEPT.len()];
        for (nth, value) in kept.iter_mut().enumerate() {
            *value = match self.kept[nth] {
                Place::Unchanged => frame.kept[nth],
                Place::Saved(offset) => saved(offset),
                Place::Lost => None,
            };
        }
        let ip = saved(self.ip).filter(|ip| *ip != 0)?;
        Some(Frame { ip, sp: cfa, kept })
    }
}

impl Step {
    /// The canonical frame address of a function whose frame pointer is not known:
    /// behind the return address of the call to it, of which it is certain only that
    /// it is the nearest above. What an earlier call has left there is not taken for
    /// it unless that was a call to the same function.
    fn find_call(&self, sp: usize, stack: &Copied<'_>) -> Option<usize> {
        let near = (sp..sp.saturating_add(FRAME)).step_by(8);
        let at = near.into_iter().find(|at| {
            stack.word(*at).is_some_and(|back| called_before(back) == Some(self.start))
        })?;
        Some(at + 8)
    }
}

/// What was called from right before the code at `back`, if it is known from that.
fn called_before(back: usize) -> Option<usize> {
    let mut code = [0; 6];
    peek::copy(back.wrapping_sub(6), &mut code).ok()?;
    let [first, second, far @ ..] = code;
    let away = |far: [u8; 4]| back.wrapping_add_signed(i32::from_ne_bytes(far) as isize);
    match (first, second) {
        (_, 0xe8) => Some(away(far)),
        (0xff, 0x15) => {
            let mut target = [0; 8];
            peek::copy(away(far), &mut target).ok()?;
            Some(usize::from_ne_bytes(target))
        }
        _ => None,
    }
}

/// Reads what the compiler left for `ip`; `None` where it left nothing, or
/// something so special that a walk ends there.
fn learn(module: &Module, context: &mut UnwindContext<usize>, ip: usize) -> Option<Step> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(module.header.start as u64);
    let header = section(module.header.clone());
    let parsed = EhFrameHdr::new(header, NativeEndian).parse(&bases, 8).ok()?;
    let Pointer::Direct(start) = parsed.eh_frame_ptr() else { return None };
    let start = start as usize;
    if !module.segment.contains(&start) {
        return None;
    }
    let bases = bases.set_eh_frame(start as u64);
    let frames = EhFrame::new(section(start..module.segment.end), NativeEndian);
    let get = EhFrame::<EndianSlice<'_, NativeEndian>>::cie_from_offset;
    let fde = parsed.table()?.fde_for_address(&frames, &bases, ip as u64, get).ok()?;
    let row = fde.unwind_info_for_address(&frames, &bases, context, ip as u64).ok()?;
    let (base, offset) = match row.cfa() {
        CfaRule::RegisterAndOffset { register: SP, offset } => (None, *offset),
        CfaRule::RegisterAndOffset { register, offset } => {
            (Some(KEPT.iter().position(|kept| *kept == register.0)?), *offset)
        }
        CfaRule::Expression(_) => return None,
    };
    let Some(RegisterRule::Offset(saved_ip)) = row.register(IP) else { return None };
    let kept = KEPT.map(|kept| match row.register(Register(kept)) {
        None | Some(RegisterRule::SameValue) => Place::Unchanged,
        Some(RegisterRule::Offset(offset)) => Place::Saved(offset),
        Some(_) => Place::Lost,
    });
    let start = fde.initial_address() as usize;
    Some(Step { start, base, offset, ip: saved_ip, kept, is_signal: fde.is_signal_trampoline() })
}

/// A part of a module.
fn section(part: Range<usize>) -> &'static [u8] {
    // SAFETY: in a segment that is mapped and never written, of a module that
    // `Modules` keeps loaded; what comes of it does not outlive `learn`.
    unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance(part.start), part.len()) }
}
