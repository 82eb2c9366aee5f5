//! What every call passes on its way in and out: panics become a status, pointers
//! become slices, timeouts become durations, results are written.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::time::Duration;

use crate::error::{Failure, gossip_error_t};
use crate::fate::survive;
use crate::status::Status::*;
use crate::status::gossip_status_t;

/// Runs the body of a function that explains its failures in `err`.
///
/// The error object is written on success too, as NULL, so that `err` may start
/// uninitialised.
pub(crate) fn call(
    err: Option<&mut MaybeUninit<*mut gossip_error_t>>,
    body: impl FnOnce() -> Result<(), Failure>,
) -> gossip_status_t {
    let (status, object) = match run(body) {
        Ok(()) => (GOSSIP_OK, ptr::null_mut()),
        Err(failure) if err.is_none() => (failure.status, ptr::null_mut()),
        Err(failure) => (failure.status, Box::into_raw(Box::new(failure.into_object()))),
    };
    if let Some(err) = err {
        err.write(object);
    }
    status as i32
}

/// Runs the body of a function whose failures need no explanation.
pub(crate) fn quick(body: impl FnOnce() -> Result<(), Failure>) -> gossip_status_t {
    call(None, body)
}

/// Runs the body of a function that cannot fail; `neutral` if it panics.
pub(crate) fn value<T>(neutral: T, body: impl FnOnce() -> T) -> T {
    survive(body).unwrap_or(neutral)
}

fn run(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let panicked = || Failure::new(GOSSIP_ERR_PANIC, "library panicked; what it said went to standard error");
    survive(body).unwrap_or_else(|| Err(panicked()))
}

/// The thing behind a handle, or NULL_ARG.
pub(crate) fn some<T>(handle: Option<T>, name: &'static str) -> Result<T, Failure> {
    handle.ok_or_else(|| Failure::null(name))
}

/// Writes a result that the caller must want.
pub(crate) fn write<T>(
    out: Option<&mut MaybeUninit<T>>,
    name: &'static str,
    value: T,
) -> Result<(), Failure> {
    some(out, name)?.write(value);
    Ok(())
}

/// Writes a result that the caller may not want.
pub(crate) fn offer<T>(out: Option<&mut MaybeUninit<T>>, value: T) {
    if let Some(out) = out {
        out.write(value);
    }
}

/// Gives a new handle to the caller. `make` runs only if there is somewhere to put it.
pub(crate) fn give<T>(
    out: Option<&mut MaybeUninit<*mut T>>,
    name: &'static str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<(), Failure> {
    let out = some(out, name)?;
    out.write(Box::into_raw(Box::new(make()?)));
    Ok(())
}

/// The text at `pointer`.
///
/// # Safety
/// `pointer` is NULL or ends with a NUL, and lives for `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &'static str) -> Result<&'a str, Failure> {
    // SAFETY: this function's contract is the same.
    let text = unsafe { c_bytes(pointer, name) }?;
    str::from_utf8(text).map_err(|_| Failure::argument(GOSSIP_ERR_INVALID_UTF8, name, "is not UTF-8"))
}

/// The bytes at `pointer` up to the first NUL, whatever they are.
///
/// # Safety
/// `pointer` is NULL or ends with a NUL, and lives for `'a`.
pub(crate) unsafe fn c_bytes<'a>(pointer: *const c_char, name: &'static str) -> Result<&'a [u8], Failure> {
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, hence by this function's contract a C string that lives long enough.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// The `count` items at `pointer`; `(NULL, 0)` is none.
///
/// # Safety
/// `pointer` is NULL or holds that many, and lives for `'a`.
pub(crate) unsafe fn list<'a, T: Copy>(
    pointer: *const T,
    count: usize,
    name: &'static str,
) -> Result<&'a [T], Failure> {
    // More than addresses in a small country are a wrong length.
    const MOST: usize = 1 << 20;
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    if count > MOST {
        let rule = format!("are {count}, must be at most {MOST}");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, rule));
    }
    // SAFETY: not NULL, and no longer than an object can be, hence by this function's
    // contract `count` items.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// The `len` bytes at `pointer`; `(NULL, 0)` is empty.
///
/// # Safety
/// `pointer` is NULL or holds `len` bytes that live, unchanged, for `'a`.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const c_void,
    len: usize,
    name: &'static str,
) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    if isize::try_from(len).is_err() {
        let rule = format!("is {len} bytes, more than any memory holds");
        return Err(Failure::argument(GOSSIP_ERR_INVALID_ARG, name, rule));
    }
    // SAFETY: not NULL, not longer than an object can be, hence by this function's
    // contract `len` readable bytes.
    Ok(unsafe { slice::from_raw_parts(pointer.cast(), len) })
}

/// Copies as much of `text` as fits into the caller's buffer and ends it with a NUL.
///
/// # Safety
/// `buf` is NULL or has room for `cap` bytes, which need not be initialised.
pub(crate) unsafe fn fill_text(
    text: &[u8],
    buf: *mut c_char,
    cap: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> Result<(), Failure> {
    offer(len, text.len());
    if cap > 0 {
        let fits = text.len().min(cap - 1);
        // SAFETY: `fits` < `cap`, so both the text and the NUL lie within the buffer.
        unsafe {
            copy_out(&text[..fits], buf.cast(), "buf")?;
            buf.add(fits).write(0);
        }
    }
    if text.len() < cap {
        return Ok(());
    }
    let rule = format!("has room for {cap} bytes, {} are needed", text.len().saturating_add(1));
    Err(Failure::argument(GOSSIP_ERR_BUFFER_TOO_SMALL, "buf", rule))
}

/// Copies all of `items` to the caller's memory.
///
/// # Safety
/// `to` is NULL or has room for them, which need not be initialised.
pub(crate) unsafe fn copy_out<T: Copy>(items: &[T], to: *mut T, name: &'static str) -> Result<(), Failure> {
    if to.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, hence by this function's contract large enough; the caller's
    // memory and ours cannot overlap.
    unsafe { ptr::copy_nonoverlapping(items.as_ptr(), to, items.len()) };
    Ok(())
}

/// Copies `items` to the caller's array if all fit, and says how many there are.
///
/// # Safety
/// `array` is NULL or has room for `cap` of them, which need not be initialised.
pub(crate) unsafe fn fill_array<T: Copy>(
    items: &[T],
    array: *mut T,
    cap: usize,
    name: &'static str,
    count: Option<&mut MaybeUninit<usize>>,
) -> Result<(), Failure> {
    offer(count, items.len());
    if items.len() > cap {
        let rule = format!("has room for {cap}, {} are needed", items.len());
        return Err(Failure::argument(GOSSIP_ERR_BUFFER_TOO_SMALL, name, rule));
    }
    if items.is_empty() {
        return Ok(());
    }
    // SAFETY: they fit into the room that the caller of this function vouches for.
    unsafe { copy_out(items, array, name) }
}

/// Longer than any process runs, short enough to be added to any clock.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A timeout as C writes it: negative waits for ever, 0 does not wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeout(pub(crate) i32);

impl Timeout {
    /// As a duration.
    pub(crate) fn duration(self) -> Duration {
        u64::try_from(self.0).map_or(FOR_EVER, Duration::from_millis)
    }

    /// As a duration, or `None` for ever.
    pub(crate) fn limit(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_millis)
    }

    /// Tells AGAIN, of a call that was not to wait, from TIMEOUT, of one that waited in vain.
    pub(crate) fn judge<T>(self, result: Result<T, impl Into<Failure>>) -> Result<T, Failure> {
        result.map_err(|error| {
            let mut failure = error.into();
            if matches!(failure.status, GOSSIP_ERR_AGAIN | GOSSIP_ERR_TIMEOUT) {
                failure.status = if self.0 == 0 { GOSSIP_ERR_AGAIN } else { GOSSIP_ERR_TIMEOUT };
            }
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_and_an_error() {
        let mut err = MaybeUninit::uninit();

        let status = call(Some(&mut err), || panic!("as a test"));

        assert_eq!(status, GOSSIP_ERR_PANIC as i32);
        // SAFETY: `call` always writes `err`, and with a failure it writes a new box.
        let object = unsafe { Box::from_raw(err.assume_init()) };
        assert_eq!(crate::error::gossip_error_code(Some(&object)), status);
    }

    #[test]
    fn success_clears_the_error() {
        let mut err = MaybeUninit::new(ptr::dangling_mut());

        assert_eq!(call(Some(&mut err), || Ok(())), 0);

        // SAFETY: initialised above.
        assert!(unsafe { err.assume_init() }.is_null());
    }

    #[test]
    fn text_that_does_not_fit_is_cut_terminated_and_measured() {
        let mut buf = [1; 4];
        let mut len = MaybeUninit::uninit();

        // SAFETY: the buffer has the room that is claimed.
        let result = unsafe { fill_text(b"blue", buf.as_mut_ptr(), buf.len(), Some(&mut len)) };

        assert_eq!(result.unwrap_err().status, GOSSIP_ERR_BUFFER_TOO_SMALL);
        assert_eq!(buf.map(|byte| byte as u8), *b"blu\0");
        // SAFETY: `fill_text` always writes `len`.
        assert_eq!(unsafe { len.assume_init() }, 4);
    }

    #[test]
    fn not_waiting_and_waiting_in_vain_differ() {
        let full = || Err::<(), _>(Failure::new(GOSSIP_ERR_AGAIN, "full"));

        assert_eq!(Timeout(0).judge(full()).unwrap_err().status, GOSSIP_ERR_AGAIN);
        assert_eq!(Timeout(10).judge(full()).unwrap_err().status, GOSSIP_ERR_TIMEOUT);
        assert_eq!(Timeout(-1).duration(), FOR_EVER);
        assert_eq!(Timeout(-1).limit(), None);
    }
}
