/*
 * libgossip for C++17: gossip pools and application protocols on one port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * This file is the manual of the C++ interface. It is made of inline functions over gossip.h
 * and nothing else: link the C library (-lgossip). It can be compiled with -fno-exceptions and
 * -fno-rtti.
 *
 *
 * In short
 * --------
 *     #include <gossip/gossip.hpp>
 *     #include <iostream>
 *
 *     int main()
 *     {
 *         using namespace std::chrono_literals;
 *
 *         gossip::config config;
 *         config.set("name", "ada").set("bind_addr", "127.0.0.1").set("bind_port", 7946);
 *         gossip::node node(config);                                  // binds
 *
 *         gossip::callbacks hears;
 *         hears.notify_join = [](gossip::member who) { std::cout << who.name() << " is here\n"; };
 *         hears.notify_msg = [](gossip::bytes data, gossip::message) { std::cout << data.text() << "\n"; };
 *         gossip::pool pool = node.register_pool(gossip::pool_config(1), hears);
 *
 *         gossip::listener http = node.listen_tcp();                  // what is no gossip
 *         node.start();                                               // serves
 *         pool.join({"10.0.0.2", "10.0.0.3:7946"}, 5s);
 *         pool.broadcast("hello, everyone");
 *         while (gossip::connection got = http.accept())
 *             serve(got.fd.release());                                // an ordinary socket
 *         node.leave(5s);
 *     }
 *
 * What a function means beyond the line it has here stands at the function of the same name in
 * gossip.h. examples/cpp has whole programs.
 *
 *
 * Errors
 * ------
 * Every function that can fail takes an `on_error` last, in one of three ways:
 *
 *     node.start();              throws gossip::error
 *     node.start(ec);            does not throw: sets the std::error_code, or clears it
 *     node.start({ec, why});     does not throw, and tells more in a gossip::failure
 *
 * With -fno-exceptions the first does not compile. Codes compare with gossip::errc and, where
 * there is one of that meaning, with std::errc. After a failure that was not thrown the result
 * is empty: false, 0, "". Besides, what makes a std::string or a container throws std::bad_alloc
 * when there is no memory.
 *
 * `accept`, `recv` and `poll` return something empty, and do not throw, when nothing came in
 * time or when their handle has been closed; with an error_code that says `timeout`, `again` or
 * `closed`.
 *
 *
 * Ownership
 * ---------
 * handle classes       own a handle of the library, can be moved and not copied, and free it in
 *                      their destructor, in any order. One that was moved from or made without
 *                      arguments is empty: it is false, and its functions fail with `null_arg`.
 * views                member, member_list, message, buffer, record, keyring, bytes: small, to be
 *                      copied and passed by value. They borrow from a handle or a callback; each
 *                      says from which.
 * parameters           are copied by the library, or borrowed until the call returns.
 * descriptors          come in a unique_fd, which closes them; `release` gives them to you.
 * delegates            belong to the library until their pool has ended.
 * c_handle()           what a class wraps, for the functions of gossip.h; `release` gives it up.
 *
 *
 * Threads, blocking
 * -----------------
 * const functions may be called by any number of threads at once, from callbacks too; all others,
 * moves and destructors are for one thread at a time. What blocks says so, and takes a time:
 * gossip::forever, 0ms not to wait, or a time, which is rounded to what 32 bits of milliseconds
 * hold (24 days). Functions without a "Blocks:" do not.
 *
 *
 * In an event loop
 * ----------------
 * `fd` of a listener, a packet receiver, a queue is readable exactly while `accept`, `recv`,
 * `poll` would not wait: watch it with poll(2), epoll, kqueue, then call with 0ms until nothing is
 * got. What a thread takes that blocks in one of them does not show. What closes its descriptors,
 * as asio does, gets a duplicate:
 *
 *     asio::posix::stream_descriptor ready(io, queue.watch_fd().release());
 *     ready.async_wait(ready.wait_read, [&](auto) { for (auto &event : queue.events(0ms)) ... });
 *
 * Connections are ordinary sockets: asio::ip::tcp::socket(io, tcp::v4(), got.fd.release()).
 */

#ifndef GOSSIP_HPP
#define GOSSIP_HPP

#include <gossip/gossip.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

// Programs may mix files that are compiled with exceptions and without: each kind has a
// namespace of its own, which need not be named.
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define GOSSIP_HPP_EXCEPTIONS 1
#define GOSSIP_HPP_NAMESPACE with_exceptions
#define GOSSIP_HPP_OR(value) = value
#define GOSSIP_HPP_OR_THROW = {}
#else
#define GOSSIP_HPP_EXCEPTIONS 0
#define GOSSIP_HPP_NAMESPACE without_exceptions
#define GOSSIP_HPP_OR(value)
#define GOSSIP_HPP_OR_THROW
#endif

namespace gossip {
inline namespace GOSSIP_HPP_NAMESPACE {

static_assert(sizeof(gossip_addr_t) == 32, "gossip.h is not the one that this file was made for");
static_assert(GOSSIP_ABI_VERSION == 1, "gossip.h is not the one that this file was made for");

// ---------------------------------------------------------------------------------------------
// Small things
// ---------------------------------------------------------------------------------------------

using std::chrono::milliseconds;

/// A time that does not end, for functions that block.
inline constexpr milliseconds forever{-1};

/// Bytes that somebody else owns: a pointer and a length. Made of texts, of containers of
/// bytes, and of a literal, which then ends before its first NUL.
class bytes {
public:
    /// None.
    bytes() noexcept = default;

    /// `size` bytes at `data`.
    bytes(const void *data, std::size_t size) noexcept
        : data_(static_cast<const std::uint8_t *>(data)), size_(size)
    {
    }

    /// A text up to its NUL.
    bytes(const char *text) noexcept : bytes(std::string_view(text)) {}

    /// A text.
    bytes(std::string_view text) noexcept : bytes(text.data(), text.size()) {}

    /// The elements of a std::string, std::vector, std::array, std::span of bytes, or an array.
    template <class Container, class Element = std::remove_pointer_t<decltype(std::data(std::declval<const Container &>()))>,
              class = std::enable_if_t<sizeof(Element) == 1 && std::is_trivially_copyable_v<Element> &&
                                       !(std::is_array_v<Container> && std::is_same_v<std::remove_cv_t<Element>, char>)>>
    bytes(const Container &container) noexcept : bytes(std::data(container), std::size(container))
    {
    }

    const std::uint8_t *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const std::uint8_t *begin() const noexcept { return data_; }
    const std::uint8_t *end() const noexcept { return data_ + size_; }
    std::uint8_t operator[](std::size_t index) const noexcept { return data_[index]; }

    /// The same bytes as text; nothing says that it is UTF-8.
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data_), size_}; }

    /// The same bytes as a string of their own.
    std::string str() const { return std::string(text()); }

    friend bool operator==(bytes left, bytes right) noexcept { return left.text() == right.text(); }
    friend bool operator!=(bytes left, bytes right) noexcept { return !(left == right); }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A descriptor that is closed by its destructor.
///
/// Threads: one at a time.
class unique_fd {
public:
    unique_fd() noexcept = default;
    explicit unique_fd(gossip_fd_t fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd &&other) noexcept : fd_(other.release()) {}
    unique_fd &operator=(unique_fd &&other) noexcept
    {
        reset(other.release());
        return *this;
    }
    ~unique_fd() { reset(); }

    /// The descriptor, which stays here; -1 for none.
    gossip_fd_t get() const noexcept { return fd_; }

    /// The descriptor, which you close from now on.
    [[nodiscard]] gossip_fd_t release() noexcept { return std::exchange(fd_, -1); }

    /// Closes what is here and takes `fd`.
    void reset(gossip_fd_t fd = -1) noexcept
    {
        const gossip_fd_t old = std::exchange(fd_, fd);
        if (old >= 0)
            ::close(old);
    }

    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    gossip_fd_t fd_ = -1;
};

/// Whether a descriptor is handed over as after accept(2), or with O_NONBLOCK.
enum class fd_mode : std::uint32_t { blocking = GOSSIP_FD_BLOCKING, nonblocking = GOSSIP_FD_NONBLOCK };

inline constexpr fd_mode blocking = fd_mode::blocking;
inline constexpr fd_mode nonblocking = fd_mode::nonblocking;

/// memberlist's presets of a pool's configuration.
enum class preset : std::int32_t {
    lan = GOSSIP_PRESET_LAN,
    wan = GOSSIP_PRESET_WAN,
    local = GOSSIP_PRESET_LOCAL,
};

/// The states of a member.
enum class state : std::int32_t {
    none = -1,
    alive = GOSSIP_STATE_ALIVE,
    suspect = GOSSIP_STATE_SUSPECT,
    dead = GOSSIP_STATE_DEAD,
    left = GOSSIP_STATE_LEFT,
};

/// How certain it is that a reliable message arrived.
enum class delivery : std::int32_t {
    /// The receiver's callback has returned, or its queue holds the message.
    acknowledged = GOSSIP_DELIVERY_ACKNOWLEDGED,
    /// The receiver, which does not acknowledge, has closed the connection in good order.
    closed = GOSSIP_DELIVERY_CLOSED,
};

/// `alive`, `suspect`, `dead`, `left`. The text is static.
inline const char *to_string(state value) noexcept
{
    return gossip_state_name(static_cast<std::int32_t>(value));
}

/// The version of the library that was loaded, such as `0.1.0`. The text is static.
inline const char *version() noexcept
{
    return gossip_version_string();
}

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

/// The status codes of gossip.h, which says what each means.
enum class errc : gossip_status_t {
    invalid_arg = GOSSIP_ERR_INVALID_ARG,
    null_arg = GOSSIP_ERR_NULL_ARG,
    invalid_utf8 = GOSSIP_ERR_INVALID_UTF8,
    invalid_state = GOSSIP_ERR_INVALID_STATE,
    closed = GOSSIP_ERR_CLOSED,
    again = GOSSIP_ERR_AGAIN,
    timeout = GOSSIP_ERR_TIMEOUT,
    buffer_too_small = GOSSIP_ERR_BUFFER_TOO_SMALL,
    too_large = GOSSIP_ERR_TOO_LARGE,
    not_found = GOSSIP_ERR_NOT_FOUND,
    exists = GOSSIP_ERR_EXISTS,
    reserved = GOSSIP_ERR_RESERVED,
    in_use = GOSSIP_ERR_IN_USE,
    deadlock = GOSSIP_ERR_DEADLOCK,
    rejected = GOSSIP_ERR_REJECTED,
    unsupported = GOSSIP_ERR_UNSUPPORTED,
    abi_mismatch = GOSSIP_ERR_ABI_MISMATCH,
    out_of_memory = GOSSIP_ERR_OUT_OF_MEMORY,
    resource_limit = GOSSIP_ERR_RESOURCE_LIMIT,
    io = GOSSIP_ERR_IO,
    addr_in_use = GOSSIP_ERR_ADDR_IN_USE,
    addr_invalid = GOSSIP_ERR_ADDR_INVALID,
    resolve = GOSSIP_ERR_RESOLVE,
    connect = GOSSIP_ERR_CONNECT,
    no_response = GOSSIP_ERR_NO_RESPONSE,
    join_failed = GOSSIP_ERR_JOIN_FAILED,
    protocol = GOSSIP_ERR_PROTOCOL,
    crypto = GOSSIP_ERR_CRYPTO,
    config = GOSSIP_ERR_CONFIG,
    cancelled = GOSSIP_ERR_CANCELLED,
    forked = GOSSIP_ERR_FORKED,
    fatal = GOSSIP_ERR_FATAL,
    panic = GOSSIP_ERR_PANIC,
    internal = GOSSIP_ERR_INTERNAL,
    not_taken = GOSSIP_ERR_NOT_TAKEN,
    not_migrated = GOSSIP_ERR_NOT_MIGRATED,
};

/// Where a pool moves.
enum class migration_kind : std::int32_t {
    key = GOSSIP_MIGRATION_KEY,
    encryption = GOSSIP_MIGRATION_ENCRYPTION,
    label = GOSSIP_MIGRATION_LABEL,
};

/// The steps of a migration; each is taken by every member before the next.
enum class step : std::int32_t {
    accept = GOSSIP_STEP_ACCEPT,
    speak = GOSSIP_STEP_SPEAK,
    require = GOSSIP_STEP_REQUIRE,
};

} // namespace GOSSIP_HPP_NAMESPACE
} // namespace gossip

namespace std {
template <> struct is_error_code_enum<gossip::errc> : true_type {
};
} // namespace std

namespace gossip {
inline namespace GOSSIP_HPP_NAMESPACE {

namespace detail {

class category_type final : public std::error_category {
public:
    const char *name() const noexcept override { return "gossip"; }
    std::string message(int code) const override { return gossip_status_message(code); }
    std::error_condition default_error_condition(int code) const noexcept override
    {
        switch (static_cast<errc>(code)) {
        case errc::invalid_arg:
        case errc::null_arg: return std::errc::invalid_argument;
        case errc::again: return std::errc::resource_unavailable_try_again;
        case errc::timeout: return std::errc::timed_out;
        case errc::too_large: return std::errc::message_size;
        case errc::deadlock: return std::errc::resource_deadlock_would_occur;
        case errc::unsupported: return std::errc::not_supported;
        case errc::out_of_memory: return std::errc::not_enough_memory;
        case errc::io: return std::errc::io_error;
        case errc::addr_in_use: return std::errc::address_in_use;
        case errc::addr_invalid: return std::errc::address_not_available;
        case errc::cancelled: return std::errc::operation_canceled;
        case errc::protocol: return std::errc::protocol_error;
        default: return {code, *this};
        }
    }
};

} // namespace detail

/// The category of this library's codes; the message is gossip_status_message.
inline const std::error_category &category() noexcept
{
    static const detail::category_type only;
    return only;
}

/// An errc as std::error_code, also made implicitly.
inline std::error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), category()};
}

/// One thing that is wrong, of several.
struct problem {
    /// The configuration key, or `seeds`.
    std::string_view field;
    /// Its value, or the seed.
    std::string_view value;
    /// The rule that it breaks, or why the seed was not reached.
    std::string_view rule;
};

/// Why a call failed. It never changes and can be copied; copies share what they tell.
///
/// Memory: texts live as long as a copy of the failure. Threads: any.
class failure {
public:
    /// No failure.
    failure() noexcept = default;

    /// Takes `error`, which may be NULL: then the message is that of the status.
    explicit failure(gossip_status_t status, gossip_error_t *error = nullptr, const char *message = nullptr)
        : status_(status), message_(message)
    {
        if (error != nullptr)
            error_.reset(error, gossip_error_free);
    }

    /// The code; none if nothing failed.
    std::error_code code() const noexcept { return {status_, category()}; }

    /// What went wrong, in a sentence with value and limit, UTF-8; empty if nothing did.
    const char *message() const noexcept
    {
        if (error_ != nullptr)
            return gossip_error_message(error_.get());
        if (message_ != nullptr)
            return message_;
        return status_ == GOSSIP_OK ? "" : gossip_status_message(status_);
    }

    /// The `errno` of the system call behind the failure; 0 if there was none.
    int os_errno() const noexcept { return gossip_error_os_errno(error_.get()); }

    /// The configuration key or argument at fault; empty if there is none.
    const char *field() const noexcept { return gossip_error_field(error_.get()); }

    /// Every problem: with `config` one for each value that cannot work, of a join one for
    /// each seed or address; otherwise none.
    std::vector<problem> problems() const
    {
        std::vector<problem> all(gossip_error_problem_count(error_.get()));
        for (std::size_t i = 0; i < all.size(); i++) {
            const char *field = "", *value = "", *rule = "";
            if (gossip_error_problem_at(error_.get(), i, &field, &value, &rule) == GOSSIP_OK)
                all[i] = {field, value, rule};
        }
        return all;
    }

    /// Whether the same call may succeed later, such as after a timeout.
    bool is_retriable() const noexcept { return gossip_status_is_retriable(status_) != 0; }

    /// Whether something failed.
    explicit operator bool() const noexcept { return status_ != GOSSIP_OK; }

    /// The error object, which stays here; NULL if the call makes none.
    const gossip_error_t *c_handle() const noexcept { return error_.get(); }

private:
    std::shared_ptr<gossip_error_t> error_;
    gossip_status_t status_ = GOSSIP_OK;
    const char *message_ = nullptr;
};

#if GOSSIP_HPP_EXCEPTIONS
/// What is thrown: a std::system_error whose `what` is the message of the failure.
///
/// Memory: texts live as long as a copy of the error. Threads: any.
class error : public std::system_error {
public:
    explicit error(failure why) : std::system_error(why.code()), why_(std::move(why)) {}

    /// The message of the failure alone.
    const char *what() const noexcept override { return why_.message(); }

    /// The rest of what is known.
    const failure &why() const noexcept { return why_; }

private:
    failure why_;
};
#endif

/// Where a function's failure goes, its last parameter: thrown, into an error_code, or into an
/// error_code and a failure. Not to be kept.
class on_error {
public:
#if GOSSIP_HPP_EXCEPTIONS
    /// Throws gossip::error.
    on_error() noexcept = default;
#endif
    /// Sets `code`, or clears it.
    on_error(std::error_code &code) noexcept : code_(&code) {}

    /// Sets `code` and `why`, or clears both.
    on_error(std::error_code &code, failure &why) noexcept : code_(&code), why_(&why) {}

    on_error(const on_error &) = delete;
    on_error &operator=(const on_error &) = delete;
    ~on_error() { gossip_error_free(error_); }

    /// The `err` of a C function, whose status then goes to `ok`.
    gossip_error_t **c_handle() noexcept { return &error_; }

    /// Whether `status` is success; if not, tells or throws. `message` is for what C cannot say.
    bool ok(gossip_status_t status, const char *message = nullptr)
    {
#if GOSSIP_HPP_EXCEPTIONS
        if (status != GOSSIP_OK && code_ == nullptr)
            throw error(failure(status, std::exchange(error_, nullptr), message));
#endif
        if (code_ != nullptr)
            *code_ = {status, category()};
        if (why_ != nullptr)
            *why_ = status == GOSSIP_OK ? failure() : failure(status, std::exchange(error_, nullptr), message);
        return status == GOSSIP_OK;
    }

    /// The same for functions in which nothing to have is an answer, and not thrown.
    bool got(gossip_status_t status)
    {
        const bool nothing =
            status == GOSSIP_ERR_AGAIN || status == GOSSIP_ERR_TIMEOUT || status == GOSSIP_ERR_CLOSED;
        if (!nothing || code_ != nullptr)
            return ok(status);
        return false;
    }

private:
    std::error_code *code_ = nullptr;
    failure *why_ = nullptr;
    gossip_error_t *error_ = nullptr;
};

// ---------------------------------------------------------------------------------------------
// What the classes below are made of
// ---------------------------------------------------------------------------------------------

/// Owns a handle of the library: moved and not copied, freed by the destructor.
///
/// Threads: one at a time.
template <class T, void (*Free)(T *)> class handle {
public:
    /// Empty.
    handle() noexcept = default;

    /// Takes a handle from a function of gossip.h.
    explicit handle(T *taken) noexcept : handle_(taken) {}

    handle(handle &&other) noexcept : handle_(other.release()) {}
    handle &operator=(handle &&other) noexcept
    {
        reset(other.release());
        return *this;
    }
    ~handle() { Free(handle_); }

    /// The handle, which stays here; NULL if empty.
    T *c_handle() const noexcept { return handle_; }

    /// The handle, which you free from now on.
    [[nodiscard]] T *release() noexcept { return std::exchange(handle_, nullptr); }

    /// Frees what is here and takes `taken`.
    void reset(T *taken = nullptr) noexcept { Free(std::exchange(handle_, taken)); }

    /// Whether it is not empty.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

private:
    T *handle_ = nullptr;
};

namespace detail {

/// What a text with a NUL in it is refused with.
inline constexpr const char *nul_in_text = "a text must not contain a NUL";

/// A text that ends with a NUL, as C takes it.
class c_text {
public:
    c_text(std::string_view text)
    {
        ok = text.find('\0') == std::string_view::npos;
        if (text.size() < sizeof small_) {
            if (!text.empty())
                std::memcpy(small_, text.data(), text.size());
            small_[text.size()] = '\0';
        } else {
            large_ = text;
        }
    }

    const char *get() const noexcept { return large_.empty() ? small_ : large_.c_str(); }

    /// Whether it has no NUL of its own.
    bool ok;

private:
    char small_[256];
    std::string large_;
};

/// Milliseconds as C takes them.
inline std::int32_t c_timeout(milliseconds time) noexcept
{
    constexpr milliseconds longest{std::numeric_limits<std::int32_t>::max()};
    return time.count() < 0 ? -1 : static_cast<std::int32_t>(std::min(time, longest).count());
}

/// Reads a text with `call(buf, cap, len)`, which may grow meanwhile.
template <class Call> std::string read_text(on_error &fail, Call call)
{
    char small[256];
    std::string text;
    std::size_t len = 0;
    gossip_status_t status = call(small, sizeof small, &len);
    if (status == GOSSIP_OK)
        text.assign(small, len);
    while (status == GOSSIP_ERR_BUFFER_TOO_SMALL) {
        text.resize(len + len / 8 + 1);
        status = call(text.data(), text.size(), &len);
        text.resize(std::min(len, text.size()));
    }
    if (!fail.ok(status))
        text.clear();
    return text;
}

/// Reads a list with `call(array, cap, count)`, which may grow meanwhile.
template <class Element, class Call> std::vector<Element> read_list(on_error &fail, Call call)
{
    std::vector<Element> list;
    std::size_t count = 0;
    gossip_status_t status = call(nullptr, 0, &count);
    while (status == GOSSIP_ERR_BUFFER_TOO_SMALL) {
        list.resize(count);
        status = call(list.data(), list.size(), &count);
    }
    list.resize(fail.ok(status) ? count : 0);
    return list;
}

/// Goes through what has `operator[]`.
template <class Container> class iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::decay_t<decltype(std::declval<const Container &>()[0])>;
    using reference = value_type;
    using pointer = void;
    using difference_type = std::ptrdiff_t;

    iterator() noexcept = default;
    iterator(const Container &container, std::size_t index) noexcept : container_(&container), index_(index) {}

    reference operator*() const { return (*container_)[index_]; }
    iterator &operator++() noexcept
    {
        ++index_;
        return *this;
    }
    iterator operator++(int) noexcept { return {*container_, index_++}; }
    friend bool operator==(const iterator &left, const iterator &right) noexcept { return left.index_ == right.index_; }
    friend bool operator!=(const iterator &left, const iterator &right) noexcept { return left.index_ != right.index_; }

private:
    const Container *container_ = nullptr;
    std::size_t index_ = 0;
};

} // namespace detail

/// Texts that are given to a function: `{"10.0.0.2", "10.0.0.3:7946"}`, one text, or a container
/// of them. It copies them.
class texts {
public:
    texts(std::initializer_list<std::string_view> list) : texts_(list.begin(), list.end()) {}
    texts(const char *one) : texts_(1, one) {}
    texts(std::string_view one) : texts_(1, std::string(one)) {}
    texts(const std::string &one) : texts_(1, one) {}
    template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                   decltype(*std::begin(std::declval<const Container &>())), std::string_view>>>
    texts(const Container &container)
    {
        for (std::string_view text : container)
            texts_.emplace_back(text);
    }

    /// As C takes them, with their lengths; both live as long as this.
    std::pair<std::vector<const char *>, std::vector<std::size_t>> c_texts() const
    {
        std::pair<std::vector<const char *>, std::vector<std::size_t>> both;
        for (const std::string &text : texts_) {
            both.first.push_back(text.c_str());
            both.second.push_back(text.size());
        }
        return both;
    }

    /// Whether none has a NUL in it.
    bool ok() const noexcept
    {
        return std::all_of(texts_.begin(), texts_.end(),
                           [](const std::string &text) { return text.find('\0') == std::string::npos; });
    }

private:
    std::vector<std::string> texts_;
};

// ---------------------------------------------------------------------------------------------
// Addresses
// ---------------------------------------------------------------------------------------------

/// An IP address and a port: a value.
///
/// Threads: as any value. asio takes it as `{asio::ip::address_v4(addr.v4()), addr.port()}`.
class address {
public:
    /// None.
    address() noexcept = default;

    /// That of gossip.h.
    explicit address(const gossip_addr_t &addr) noexcept : addr_(addr) {}

    /// Reads `192.0.2.1:7946` or `[2001:db8::1]:7946`. Host names are not looked up.
    ///
    /// Errors: addr_invalid, invalid_utf8, invalid_arg.
    static address parse(std::string_view text, on_error fail GOSSIP_HPP_OR_THROW)
    {
        const detail::c_text copy(text);
        address made;
        if (!copy.ok)
            fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
        else
            fail.ok(gossip_addr_parse(copy.get(), &made.addr_, fail.c_handle()));
        return made;
    }

    /// In the form that `parse` reads; empty for none.
    std::string str() const
    {
        char text[GOSSIP_ADDR_TEXT_SIZE];
        std::size_t len = 0;
        return gossip_addr_format(&addr_, text, sizeof text, &len) == GOSSIP_OK ? std::string(text, len) : std::string();
    }

    bool is_v4() const noexcept { return addr_.family == 4; }
    bool is_v6() const noexcept { return addr_.family == 6; }
    std::uint16_t port() const noexcept { return addr_.port; }

    /// The interface of a link-local IPv6 address; otherwise 0.
    std::uint32_t scope_id() const noexcept { return addr_.scope_id; }

    /// The four bytes of an IPv4 address, most significant first.
    std::array<std::uint8_t, 4> v4() const noexcept { return {addr_.ip[0], addr_.ip[1], addr_.ip[2], addr_.ip[3]}; }

    /// The sixteen bytes of an IPv6 address, most significant first.
    std::array<std::uint8_t, 16> v6() const noexcept
    {
        std::array<std::uint8_t, 16> ip;
        std::copy(std::begin(addr_.ip), std::end(addr_.ip), ip.begin());
        return ip;
    }

    /// Whether it is one.
    explicit operator bool() const noexcept { return addr_.family != 0; }

    const gossip_addr_t *c_handle() const noexcept { return &addr_; }

    friend bool operator==(const address &left, const address &right) noexcept { return left.key() == right.key(); }
    friend bool operator!=(const address &left, const address &right) noexcept { return left.key() != right.key(); }
    friend bool operator<(const address &left, const address &right) noexcept { return left.key() < right.key(); }

private:
    std::tuple<std::uint16_t, std::array<std::uint8_t, 16>, std::uint16_t, std::uint32_t> key() const noexcept
    {
        return {addr_.family, v6(), addr_.port, addr_.scope_id};
    }

    gossip_addr_t addr_ = {};
};

// ---------------------------------------------------------------------------------------------
// Configurations
// ---------------------------------------------------------------------------------------------

/// A configuration key, as `config::keys` and `pool_config::keys` list them.
struct config_key {
    std::string_view name;
    /// Of gossip_key_kind_t.
    std::int32_t kind = 0;
    std::string_view range;
    std::string_view about;
};

namespace detail {

/// What the two configurations share: keys that are set and read by name.
template <class Self, class T, void (*Free)(T *), auto Set, auto Get, auto Count, auto At>
class settings : public handle<T, Free> {
public:
    using handle<T, Free>::handle;

    /// Sets a key from text. On failure nothing has changed.
    ///
    /// Errors: config for an unknown key or an impossible value; invalid_utf8.
    Self &set(std::string_view key, std::string_view value, on_error fail GOSSIP_HPP_OR_THROW)
    {
        return set_text(fail, key, value);
    }

    /// Sets a key from `true`, `false` or a whole number.
    ///
    /// Errors: as above.
    template <class Number, class = std::enable_if_t<std::is_integral_v<Number>>>
    Self &set(std::string_view key, Number value, on_error fail GOSSIP_HPP_OR_THROW)
    {
        if constexpr (std::is_same_v<Number, bool>)
            return set_text(fail, key, value ? "true" : "false");
        else
            return set_text(fail, key, std::to_string(value));
    }

    /// Sets a duration, whose key ends in `_ms`.
    ///
    /// Errors: as above.
    Self &set(std::string_view key, milliseconds value, on_error fail GOSSIP_HPP_OR_THROW)
    {
        return set_text(fail, key, std::to_string(value.count()));
    }

    /// Reads a key as text, in the form that `set` takes.
    ///
    /// Errors: config for an unknown key; invalid_utf8.
    std::string get(std::string_view key, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const c_text name(key);
        return read_text(fail, [&](char *buf, std::size_t cap, std::size_t *len) {
            return name.ok ? Get(this->c_handle(), name.get(), buf, cap, len) : GOSSIP_ERR_CONFIG;
        });
    }

    /// Every key with its range and its meaning. The texts are static.
    static std::vector<config_key> keys()
    {
        std::vector<config_key> all(Count());
        for (std::size_t i = 0; i < all.size(); i++) {
            const char *name = "", *range = "", *about = "";
            if (At(i, &name, &all[i].kind, &range, &about) == GOSSIP_OK) {
                all[i].name = name;
                all[i].range = range;
                all[i].about = about;
            }
        }
        return all;
    }

private:
    Self &set_text(on_error &fail, std::string_view key, std::string_view value)
    {
        const c_text name(key), text(value);
        if (!name.ok || !text.ok)
            fail.ok(GOSSIP_ERR_CONFIG, nul_in_text);
        else
            fail.ok(Set(this->c_handle(), name.get(), text.get(), fail.c_handle()));
        return static_cast<Self &>(*this);
    }
};

} // namespace detail

/// What can be chosen about a node: name, address, port, limits. A new one holds the defaults.
///
/// Memory: yours; a node copies it. Threads: one at a time.
class config : public detail::settings<config, gossip_config_t, gossip_config_free, gossip_config_set,
                                       gossip_config_get, gossip_config_key_count, gossip_config_key_at> {
public:
    using settings::settings;

    /// The defaults.
    config() noexcept
    {
        gossip_config_t *made = nullptr;
        (void)gossip_config_new(&made);
        reset(made);
    }
};

class queue;

/// Questions that a delegate or the taker of a queue's events answers; joined with `|`.
enum class ask : std::uint32_t {
    nothing = GOSSIP_ASK_NOTHING,
    local_state = GOSSIP_ASK_LOCAL_STATE,
    merge = GOSSIP_ASK_MERGE,
    alive = GOSSIP_ASK_ALIVE,
    tcp_ping = GOSSIP_ASK_TCP_PING,
};

constexpr ask operator|(ask left, ask right) noexcept
{
    return static_cast<ask>(static_cast<std::uint32_t>(left) | static_cast<std::uint32_t>(right));
}

/// Whether `all` has `one`.
constexpr bool includes(ask all, ask one) noexcept
{
    return (static_cast<std::uint32_t>(all) & static_cast<std::uint32_t>(one)) != 0;
}

/// What can be chosen about a pool. A new one holds a preset.
///
/// Memory: yours; a pool copies it. Threads: one at a time.
class pool_config
    : public detail::settings<pool_config, gossip_pool_config_t, gossip_pool_config_free, gossip_pool_config_set,
                              gossip_pool_config_get, gossip_pool_config_key_count, gossip_pool_config_key_at> {
public:
    using settings::settings;

    /// Empty.
    pool_config() noexcept = default;

    /// The configuration of the pool `id`, 0 to 255, which is the same on every node.
    ///
    /// Errors: invalid_arg for an id that does not exist.
    explicit pool_config(std::int32_t id, preset like GOSSIP_HPP_OR(preset::lan), on_error fail GOSSIP_HPP_OR_THROW)
    {
        gossip_pool_config_t *made = nullptr;
        fail.ok(gossip_pool_config_new(id, static_cast<std::int32_t>(like), &made, fail.c_handle()));
        reset(made);
    }

    /// Adds an AES key of 16, 24 or 32 bytes. The first one encrypts, all decrypt.
    ///
    /// Errors: invalid_arg for other lengths.
    pool_config &add_key(bytes key, on_error fail GOSSIP_HPP_OR_THROW)
    {
        fail.ok(gossip_pool_config_add_key(c_handle(), key.data(), key.size(), fail.c_handle()));
        return *this;
    }

    /// Sets the metadata that the node announces at its start, at most GOSSIP_META_MAX bytes.
    ///
    /// Errors: a length that cannot work is refused by `register_pool`.
    pool_config &set_meta(bytes meta, on_error fail GOSSIP_HPP_OR_THROW)
    {
        fail.ok(gossip_pool_config_set_meta(c_handle(), meta.data(), meta.size(), fail.c_handle()));
        return *this;
    }

    /// Sets a label of any bytes: `key` is `label`, `framing`, `next_label` or `former_label`.
    ///
    /// Errors: config for another key or more than GOSSIP_LABEL_MAX bytes.
    pool_config &set_label(std::string_view key, bytes label, on_error fail GOSSIP_HPP_OR_THROW)
    {
        const detail::c_text name(key);
        if (!name.ok)
            fail.ok(GOSSIP_ERR_CONFIG, detail::nul_in_text);
        else
            fail.ok(gossip_pool_config_set_label(c_handle(), name.get(), label.data(), label.size(), fail.c_handle()));
        return *this;
    }

    /// Lets pools made from this put what happens into `into` instead of calling a delegate. The
    /// `tag` comes back with each event; `asks` names the questions that are answered there.
    ///
    /// Errors: null_arg for an empty queue.
    pool_config &set_queue(const queue &into, std::uint64_t tag GOSSIP_HPP_OR(0), ask asks GOSSIP_HPP_OR(ask::nothing),
                           on_error fail GOSSIP_HPP_OR_THROW);
};

// ---------------------------------------------------------------------------------------------
// Members
// ---------------------------------------------------------------------------------------------

class kept_member;

/// A node as a pool knows it: a view.
///
/// Memory: borrows from a snapshot, an event or a callback, and lives as long as that; `keep`
/// copies it. Threads: any.
class member {
public:
    /// None; everything about it is empty.
    member() noexcept = default;
    explicit member(const gossip_member_t *borrowed) noexcept : member_(borrowed) {}

    /// Its name: any bytes, most often UTF-8.
    std::string_view name() const noexcept
    {
        std::size_t len = 0;
        const char *text = gossip_member_name(member_, &len);
        return {text, len};
    }

    /// Its metadata.
    bytes meta() const noexcept
    {
        std::size_t len = 0;
        const std::uint8_t *data = gossip_member_meta(member_, &len);
        return {data, len};
    }

    /// Its address, at which its pools and its listeners are reached.
    address addr() const noexcept
    {
        gossip_addr_t addr = {};
        (void)gossip_member_addr(member_, &addr);
        return address(addr);
    }

    /// The same as text, as `dial` takes it.
    const char *addr_text() const noexcept { return gossip_member_addr_text(member_); }

    /// Whether it is alive, as far as is known.
    gossip::state state() const noexcept { return static_cast<gossip::state>(gossip_member_state(member_)); }

    /// The incarnation to which state and metadata belong.
    std::uint32_t incarnation() const noexcept { return gossip_member_incarnation(member_); }

    /// memberlist's protocol lowest, highest, spoken; the application's lowest, highest, spoken.
    std::array<std::uint8_t, 6> versions() const noexcept
    {
        std::array<std::uint8_t, 6> all = {};
        (void)gossip_member_versions(member_, all.data());
        return all;
    }

    /// A copy that lives for itself.
    ///
    /// Errors: null_arg for none.
    kept_member keep(on_error fail GOSSIP_HPP_OR_THROW) const;

    /// Whether it is one.
    explicit operator bool() const noexcept { return member_ != nullptr; }

    const gossip_member_t *c_handle() const noexcept { return member_; }

private:
    const gossip_member_t *member_ = nullptr;
};

/// Members at one moment, sorted by name: a view.
///
/// Memory: borrows from a snapshot, an event or a callback, and lives as long as that, and so do
/// the members. Threads: any.
class member_list {
public:
    member_list() noexcept = default;
    explicit member_list(const gossip_members_t *borrowed) noexcept : members_(borrowed) {}

    std::size_t size() const noexcept { return gossip_members_len(members_); }
    bool empty() const noexcept { return size() == 0; }

    /// Raised with every change of the pool; 0 for a list that is not of a whole pool.
    std::uint64_t version() const noexcept { return gossip_members_version(members_); }

    /// The member at `index`; none behind the last.
    member operator[](std::size_t index) const noexcept { return member(gossip_members_get(members_, index)); }

    /// The member of that name, or none.
    member find(std::string_view name) const noexcept
    {
        return member(gossip_members_find(members_, name.data(), name.size()));
    }

    using iterator = detail::iterator<member_list>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }

private:
    const gossip_members_t *members_ = nullptr;
};

/// A snapshot of a pool's members: `for (gossip::member who : pool.members())`. It never
/// changes and is safe to keep.
///
/// Memory: owns the members, which live as long as it. Threads: any.
class members : public handle<gossip_members_t, gossip_members_free> {
public:
    using handle::handle;

    /// The same as a view, for functions that take either.
    operator member_list() const & noexcept { return list(); }

    std::size_t size() const noexcept { return list().size(); }
    bool empty() const noexcept { return size() == 0; }

    /// Raised with every change of the pool: snapshots with the same version are equal.
    std::uint64_t version() const noexcept { return list().version(); }

    /// The member at `index`; none behind the last.
    member operator[](std::size_t index) const & noexcept { return list()[index]; }

    /// The member of that name, or none.
    member find(std::string_view name) const & noexcept { return list().find(name); }

    using iterator = detail::iterator<members>;
    iterator begin() const & noexcept { return {*this, 0}; }
    iterator end() const & noexcept { return {*this, size()}; }

    // Their results would not live long enough.
    operator member_list() const && = delete;
    member operator[](std::size_t) const && = delete;
    member find(std::string_view) const && = delete;

private:
    member_list list() const noexcept { return member_list(c_handle()); }
};

/// A member that lives for itself.
///
/// Memory: owns what it tells; views of it live as long. Threads: any.
class kept_member : public member {
public:
    kept_member() noexcept = default;

    /// The first of a snapshot.
    explicit kept_member(members of_one) noexcept : member(gossip_members_get(of_one.c_handle(), 0)), of_one_(std::move(of_one))
    {
    }
    kept_member(kept_member &&other) noexcept : member(other), of_one_(std::move(other.of_one_))
    {
        static_cast<member &>(other) = member();
    }
    kept_member &operator=(kept_member &&other) noexcept
    {
        const member borrowed = other;
        static_cast<member &>(other) = member();
        static_cast<member &>(*this) = borrowed;
        of_one_ = std::move(other.of_one_);
        return *this;
    }

private:
    gossip::members of_one_;
};

inline kept_member member::keep(on_error fail) const
{
    gossip_members_t *made = nullptr;
    fail.ok(gossip_member_clone(member_, &made));
    return kept_member(members(made));
}

// ---------------------------------------------------------------------------------------------
// Delegates
// ---------------------------------------------------------------------------------------------

/// The answer to a question.
enum class verdict : std::int32_t { accept = GOSSIP_VERDICT_ACCEPT, reject = GOSSIP_VERDICT_REJECT };

/// Where a callback writes its answer: a view.
///
/// Memory: lives until the callback returns. Threads: that of the callback.
class buffer {
public:
    explicit buffer(gossip_buffer_t *borrowed) noexcept : buffer_(borrowed) {}

    /// Appends; on failure the buffer is as it was.
    ///
    /// Errors: too_large above `limit`.
    void append(bytes data, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_buffer_append(buffer_, data.data(), data.size()));
    }

    void clear() const noexcept { (void)gossip_buffer_clear(buffer_); }
    std::size_t size() const noexcept { return gossip_buffer_len(buffer_); }

    /// How many bytes fit.
    std::size_t limit() const noexcept { return gossip_buffer_limit(buffer_); }

    gossip_buffer_t *c_handle() const noexcept { return buffer_; }

private:
    gossip_buffer_t *buffer_;
};

/// What names a relayed broadcast in its pool.
struct origin {
    /// A random number that the broadcasting member took at its start.
    std::uint64_t instance = 0;
    /// Counts its broadcasts since then, from 1.
    std::uint64_t sequence = 0;
};

/// More about a message: a view.
///
/// Memory: lives until the callback returns, or as long as the event. Threads: any.
class message {
public:
    explicit message(const gossip_message_t *borrowed) noexcept : message_(borrowed) {}

    /// Where it came from: for a datagram the sender's gossip port, for a reliable message another
    /// port of its host.
    address from() const noexcept
    {
        gossip_addr_t addr = {};
        (void)gossip_message_from(message_, &addr);
        return address(addr);
    }

    /// Whether it was sent reliably, to this node alone and over TCP; no broadcast is.
    bool is_reliable() const noexcept { return gossip_message_is_reliable(message_) != 0; }

    /// Whether it came encrypted.
    bool is_encrypted() const noexcept { return gossip_message_is_encrypted(message_) != 0; }

    /// The member that sent it, or passed a relayed broadcast on; empty if none is known there.
    std::string_view sender_name() const noexcept
    {
        std::size_t size = 0;
        const char *text = gossip_message_sender_name(message_, &size);
        return {text, size};
    }

    /// The member whose relayed broadcast it is; empty for other messages.
    std::string_view origin_name() const noexcept
    {
        std::size_t size = 0;
        const char *text = gossip_message_origin_name(message_, &size);
        return {text, size};
    }

    /// The name under which a relayed broadcast replaces older ones of its origin: any bytes, empty
    /// without one.
    std::string_view broadcast_name() const noexcept
    {
        std::size_t size = 0;
        const char *text = gossip_message_broadcast_name(message_, &size);
        return {text, size};
    }

    /// What names a relayed broadcast in the whole pool; nothing for other messages.
    std::optional<gossip::origin> origin() const noexcept
    {
        gossip::origin found;
        if (gossip_message_origin(message_, &found.instance, &found.sequence) != GOSSIP_OK)
            return std::nullopt;
        return found;
    }

    /// The pool in which it arrived.
    std::int32_t pool_id() const noexcept { return gossip_message_pool_id(message_); }

    /// When it arrived, counted from the start of the node; `pool::wall_clock` gives the time of day.
    std::chrono::nanoseconds received() const noexcept
    {
        return std::chrono::nanoseconds(static_cast<std::int64_t>(gossip_message_received_ns(message_)));
    }

    const gossip_message_t *c_handle() const noexcept { return message_; }

private:
    const gossip_message_t *message_;
};

/// What a pool tells and asks, as a class to derive from: override what you need.
///
/// Memory: the library shares it until the pool has ended; what a function is given is borrowed
/// until it returns (`member::keep`). Threads: everything but the questions runs on one thread of
/// the pool, in order; the questions on another one, at the same time. Blocks: they may call
/// every function of this file, and delay the pool's later callbacks only; a shutdown of their own
/// node fails with `deadlock`. Errors: whatever they throw is caught and given to `on_exception`;
/// a question has failed then, and the default is taken.
class delegate {
public:
    delegate() = default;
    delegate(const delegate &) = delete;
    delegate &operator=(const delegate &) = delete;

    /// Runs after the last callback, on any thread, when the last owner lets go.
    virtual ~delegate() = default;

    /// A node joined or came back; also this node itself at the start.
    virtual void notify_join(member who) { (void)who; }

    /// A node is gone; its state says whether it died or left.
    virtual void notify_leave(member who) { (void)who; }

    /// A node changed its metadata.
    virtual void notify_update(member who) { (void)who; }

    /// `other` claims the name of `existing`, and was refused.
    virtual void notify_conflict(member existing, member other) { (void)existing, (void)other; }

    /// This node reaches no other member any more, or has tried all its seeds in vain. It goes on trying.
    virtual void notify_isolated() {}

    /// This node has company again, or `returned` members that it had lost are back, while
    /// `missing` are still looked for.
    virtual void notify_healed(std::size_t returned, std::size_t missing) { (void)returned, (void)missing; }

    /// This node has taken a step of a migration, as the member `by` asked: its keys, its
    /// encryption or its label have changed. Write them to where the configuration comes from.
    virtual void notify_migrated(migration_kind kind, step taken, std::string_view by)
    {
        (void)kind, (void)taken, (void)by;
    }

    /// A message arrived: a broadcast or one for this node.
    virtual void notify_msg(bytes data, message about) { (void)data, (void)about; }

    /// Another node's published state arrived.
    virtual void merge_remote_state(bytes state, bool join) { (void)state, (void)join; }

    /// A probe was answered directly, with its ack payload.
    virtual void notify_ping_complete(member who, std::chrono::nanoseconds rtt, bytes payload)
    {
        (void)who, (void)rtt, (void)payload;
    }

    /// So many messages, states, conflicts and pings were dropped, because the functions above did
    /// not keep up.
    virtual void notify_overflow(std::uint64_t dropped) { (void)dropped; }

    /// The pool has ended; nothing comes after this.
    virtual void notify_shutdown() {}

    /// Which of the questions below are put; read once, when the pool is registered.
    virtual ask asks() const noexcept { return ask::nothing; }

    /// Appends the state for a push/pull to `out`, and returns true. False, or too late: what
    /// `pool::set_local_state` published is taken.
    virtual bool local_state(bool join, buffer out)
    {
        (void)join, (void)out;
        return false;
    }

    /// Whether the state received in a join with these nodes may be merged; `reason` is for the
    /// log. Failed, or too late: no.
    virtual verdict notify_merge(member_list with, buffer reason)
    {
        (void)with, (void)reason;
        return verdict::accept;
    }

    /// Whether a node may be a member, asked for each new or changed one; `reason` is for the log.
    /// Failed, or too late: no.
    virtual verdict notify_alive(member who, buffer reason)
    {
        (void)who, (void)reason;
        return verdict::accept;
    }

    /// Whether the silent node of that name may be pinged over TCP. Failed, or too late: yes.
    virtual verdict allow_tcp_ping(std::string_view name)
    {
        (void)name;
        return verdict::accept;
    }

#if GOSSIP_HPP_EXCEPTIONS
    /// One of the others, whose name is `callback`, has thrown.
    virtual void on_exception(const char *callback, std::exception_ptr what) noexcept { (void)callback, (void)what; }
#endif
};

/// The same as functions: set what you need, also the questions; those that are empty are not
/// called and not asked. See `delegate` for each of them, for threads and for what is thrown.
struct callbacks {
    std::function<void(member)> notify_join;
    std::function<void(member)> notify_leave;
    std::function<void(member)> notify_update;
    std::function<void(member existing, member other)> notify_conflict;
    std::function<void()> notify_isolated;
    std::function<void(std::size_t returned, std::size_t missing)> notify_healed;
    std::function<void(migration_kind kind, step taken, std::string_view by)> notify_migrated;
    std::function<void(bytes, message)> notify_msg;
    std::function<void(bytes state, bool join)> merge_remote_state;
    std::function<void(member, std::chrono::nanoseconds rtt, bytes payload)> notify_ping_complete;
    std::function<void(std::uint64_t dropped)> notify_overflow;
    std::function<void()> notify_shutdown;
    std::function<bool(bool join, buffer out)> local_state;
    std::function<verdict(member_list, buffer reason)> notify_merge;
    std::function<verdict(member, buffer reason)> notify_alive;
    std::function<verdict(std::string_view name)> allow_tcp_ping;
#if GOSSIP_HPP_EXCEPTIONS
    std::function<void(const char *callback, std::exception_ptr what)> on_exception;
#endif
};

namespace detail {

#if GOSSIP_HPP_EXCEPTIONS
inline void tell_exception(delegate &target, const char *callback) noexcept
{
    target.on_exception(callback, std::current_exception());
}

inline void tell_exception(callbacks &target, const char *callback) noexcept
{
    try {
        if (target.on_exception)
            target.on_exception(callback, std::current_exception());
    } catch (...) {
        // There is nobody left to tell.
    }
}
#endif

/// Calls what the program wrote, out of which nothing may be thrown.
template <class Target, class Call>
std::int32_t guarded(Target &target, const char *callback, Call call) noexcept
{
#if GOSSIP_HPP_EXCEPTIONS
    try {
        return call();
    } catch (...) {
        tell_exception(target, callback);
        return 0; // Not a yes, not a no: the callback failed.
    }
#else
    (void)target, (void)callback;
    return call();
#endif
}

inline delegate &target_of(std::shared_ptr<delegate> &cell) noexcept
{
    return *cell;
}

inline callbacks &target_of(callbacks &cell) noexcept
{
    return cell;
}

/// The functions that C calls, for a delegate in a heap cell.
template <class Cell> struct trampolines {
    static void destroy(void *user_data) noexcept { delete static_cast<Cell *>(user_data); }

    template <class Call> static std::int32_t run(void *user_data, const char *callback, Call call) noexcept
    {
        auto &target = target_of(*static_cast<Cell *>(user_data));
        return guarded(target, callback, [&]() -> std::int32_t {
            if constexpr (std::is_void_v<decltype(call(target))>)
                return call(target), 0;
            else
                return static_cast<std::int32_t>(call(target));
        });
    }

    static void notify_join(void *user_data, const gossip_member_t *who) noexcept
    {
        run(user_data, "notify_join", [&](auto &to) { to.notify_join(member(who)); });
    }

    static void notify_leave(void *user_data, const gossip_member_t *who) noexcept
    {
        run(user_data, "notify_leave", [&](auto &to) { to.notify_leave(member(who)); });
    }

    static void notify_update(void *user_data, const gossip_member_t *who) noexcept
    {
        run(user_data, "notify_update", [&](auto &to) { to.notify_update(member(who)); });
    }

    static void notify_conflict(void *user_data, const gossip_member_t *existing, const gossip_member_t *other) noexcept
    {
        run(user_data, "notify_conflict", [&](auto &to) { to.notify_conflict(member(existing), member(other)); });
    }

    static void notify_isolated(void *user_data) noexcept
    {
        run(user_data, "notify_isolated", [&](auto &to) { to.notify_isolated(); });
    }

    static void notify_healed(void *user_data, std::size_t returned, std::size_t missing) noexcept
    {
        run(user_data, "notify_healed", [&](auto &to) { to.notify_healed(returned, missing); });
    }

    static void notify_migrated(void *user_data, std::int32_t kind, std::int32_t taken, const char *by) noexcept
    {
        run(user_data, "notify_migrated", [&](auto &to) {
            to.notify_migrated(static_cast<migration_kind>(kind), static_cast<step>(taken), by);
        });
    }

    static void notify_msg(void *user_data, const std::uint8_t *data, std::size_t len, const gossip_message_t *about) noexcept
    {
        run(user_data, "notify_msg", [&](auto &to) { to.notify_msg(bytes(data, len), message(about)); });
    }

    static void merge_remote_state(void *user_data, const std::uint8_t *data, std::size_t len, std::int32_t join) noexcept
    {
        run(user_data, "merge_remote_state", [&](auto &to) { to.merge_remote_state(bytes(data, len), join != 0); });
    }

    static void notify_ping_complete(void *user_data, const gossip_member_t *who, std::int64_t rtt_ns,
                                     const std::uint8_t *payload, std::size_t len) noexcept
    {
        run(user_data, "notify_ping_complete", [&](auto &to) {
            to.notify_ping_complete(member(who), std::chrono::nanoseconds(rtt_ns), bytes(payload, len));
        });
    }

    static void notify_overflow(void *user_data, std::uint64_t dropped) noexcept
    {
        run(user_data, "notify_overflow", [&](auto &to) { to.notify_overflow(dropped); });
    }

    static void notify_shutdown(void *user_data) noexcept
    {
        run(user_data, "notify_shutdown", [&](auto &to) { to.notify_shutdown(); });
    }

    static std::int32_t local_state(void *user_data, std::int32_t join, gossip_buffer_t *out) noexcept
    {
        return run(user_data, "local_state", [&](auto &to) -> bool { return to.local_state(join != 0, buffer(out)); });
    }

    static std::int32_t notify_merge(void *user_data, const gossip_members_t *with, gossip_buffer_t *reason) noexcept
    {
        return run(user_data, "notify_merge",
                   [&](auto &to) -> verdict { return to.notify_merge(member_list(with), buffer(reason)); });
    }

    static std::int32_t notify_alive(void *user_data, const gossip_member_t *who, gossip_buffer_t *reason) noexcept
    {
        return run(user_data, "notify_alive",
                   [&](auto &to) -> verdict { return to.notify_alive(member(who), buffer(reason)); });
    }

    static std::int32_t allow_tcp_ping(void *user_data, const char *name, std::size_t len) noexcept
    {
        return run(user_data, "allow_tcp_ping",
                   [&](auto &to) -> verdict { return to.allow_tcp_ping(std::string_view(name, len)); });
    }

    /// All of them.
    static gossip_delegate_t table() noexcept
    {
        gossip_delegate_t table = {};
        table.struct_size = sizeof table;
        table.destroy = destroy;
        table.notify_join = notify_join;
        table.notify_leave = notify_leave;
        table.notify_update = notify_update;
        table.notify_conflict = notify_conflict;
        table.notify_msg = notify_msg;
        table.merge_remote_state = merge_remote_state;
        table.notify_ping_complete = notify_ping_complete;
        table.notify_overflow = notify_overflow;
        table.notify_shutdown = notify_shutdown;
        table.local_state = local_state;
        table.notify_merge = notify_merge;
        table.notify_alive = notify_alive;
        table.allow_tcp_ping = allow_tcp_ping;
        table.notify_isolated = notify_isolated;
        table.notify_healed = notify_healed;
        table.notify_migrated = notify_migrated;
        return table;
    }
};

template <class Pointer> void keep_if(Pointer &entry, bool wanted) noexcept
{
    if (!wanted)
        entry = nullptr;
}

inline gossip_delegate_t table_of(const std::shared_ptr<delegate> &cell) noexcept
{
    gossip_delegate_t table = trampolines<std::shared_ptr<delegate>>::table();
    const ask asks = cell->asks();
    keep_if(table.local_state, includes(asks, ask::local_state));
    keep_if(table.notify_merge, includes(asks, ask::merge));
    keep_if(table.notify_alive, includes(asks, ask::alive));
    keep_if(table.allow_tcp_ping, includes(asks, ask::tcp_ping));
    return table;
}

inline gossip_delegate_t table_of(const callbacks &cell) noexcept
{
    gossip_delegate_t table = trampolines<callbacks>::table();
    keep_if(table.notify_join, bool(cell.notify_join));
    keep_if(table.notify_leave, bool(cell.notify_leave));
    keep_if(table.notify_update, bool(cell.notify_update));
    keep_if(table.notify_conflict, bool(cell.notify_conflict));
    keep_if(table.notify_isolated, bool(cell.notify_isolated));
    keep_if(table.notify_healed, bool(cell.notify_healed));
    keep_if(table.notify_migrated, bool(cell.notify_migrated));
    keep_if(table.notify_msg, bool(cell.notify_msg));
    keep_if(table.merge_remote_state, bool(cell.merge_remote_state));
    keep_if(table.notify_ping_complete, bool(cell.notify_ping_complete));
    keep_if(table.notify_overflow, bool(cell.notify_overflow));
    keep_if(table.notify_shutdown, bool(cell.notify_shutdown));
    keep_if(table.local_state, bool(cell.local_state));
    keep_if(table.notify_merge, bool(cell.notify_merge));
    keep_if(table.notify_alive, bool(cell.notify_alive));
    keep_if(table.allow_tcp_ping, bool(cell.allow_tcp_ping));
    return table;
}

// Whether a class names a function of its own; also if that can't be reached from here.
#define GOSSIP_HPP_OVERRIDES(function) \
    template <class Derived, class = void> struct overrides_##function : std::true_type { \
    }; \
    template <class Derived> struct overrides_##function<Derived, std::void_t<decltype(&Derived::function)>> \
        : std::bool_constant<!std::is_same_v<decltype(&Derived::function), decltype(&delegate::function)>> { \
    };
GOSSIP_HPP_OVERRIDES(asks)
GOSSIP_HPP_OVERRIDES(local_state)
GOSSIP_HPP_OVERRIDES(notify_merge)
GOSSIP_HPP_OVERRIDES(notify_alive)
GOSSIP_HPP_OVERRIDES(allow_tcp_ping)
#undef GOSSIP_HPP_OVERRIDES

/// A question that is overridden and never asked is a mistake that the compiler finds.
template <class Derived>
inline constexpr bool asks_what_it_answers =
    overrides_asks<Derived>::value ||
    !(overrides_local_state<Derived>::value || overrides_notify_merge<Derived>::value ||
      overrides_notify_alive<Derived>::value || overrides_allow_tcp_ping<Derived>::value);

} // namespace detail

// ---------------------------------------------------------------------------------------------
// Queues
// ---------------------------------------------------------------------------------------------

/// What a bounded queue counts.
struct queue_stats {
    /// Put in.
    std::uint64_t accepted = 0;
    /// Dropped, because it was full or closed.
    std::uint64_t dropped = 0;
    /// Waiting now.
    std::uint64_t pending = 0;
    /// How many may wait.
    std::uint64_t limit = 0;
};

namespace detail {

/// A duplicate of a descriptor of the library.
inline unique_fd duplicate(gossip_fd_t fd, on_error &fail)
{
    if (fd < 0)
        return {};
    unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy)
        fail.ok(GOSSIP_ERR_RESOURCE_LIMIT);
    return copy;
}

} // namespace detail

/// What kind of event it is; gossip_event_type_t says which of its functions tell something.
enum class event_type : std::int32_t {
    none = GOSSIP_EVENT_NONE,
    join = GOSSIP_EVENT_JOIN,
    leave = GOSSIP_EVENT_LEAVE,
    update = GOSSIP_EVENT_UPDATE,
    conflict = GOSSIP_EVENT_CONFLICT,
    message = GOSSIP_EVENT_MESSAGE,
    remote_state = GOSSIP_EVENT_REMOTE_STATE,
    ping_complete = GOSSIP_EVENT_PING_COMPLETE,
    overflow = GOSSIP_EVENT_OVERFLOW,
    shutdown = GOSSIP_EVENT_SHUTDOWN,
    ask_local_state = GOSSIP_EVENT_ASK_LOCAL_STATE,
    ask_merge = GOSSIP_EVENT_ASK_MERGE,
    ask_alive = GOSSIP_EVENT_ASK_ALIVE,
    ask_tcp_ping = GOSSIP_EVENT_ASK_TCP_PING,
    isolated = GOSSIP_EVENT_ISOLATED,
    healed = GOSSIP_EVENT_HEALED,
    migrated = GOSSIP_EVENT_MIGRATED,
};

/// `join`, `ask_merge` and so on. The text is static.
inline const char *to_string(event_type type) noexcept
{
    return gossip_event_type_name(static_cast<std::int32_t>(type));
}

/// Something that a pool told or asked.
///
/// Memory: owns everything it tells, which lives as long as it; a question that is freed without
/// an answer has its default at once. Threads: any.
class event : public handle<gossip_event_t, gossip_event_free> {
public:
    using handle::handle;

    event_type type() const noexcept { return static_cast<event_type>(gossip_event_type(c_handle())); }

    /// The id of its pool; -1 for one of no pool.
    std::int32_t pool_id() const noexcept { return gossip_event_pool_id(c_handle()); }

    /// The tag that its pool was given with the queue.
    std::uint64_t tag() const noexcept { return gossip_event_tag(c_handle()); }

    /// The member it is about, or none.
    gossip::member member() const noexcept { return gossip::member(gossip_event_member(c_handle())); }

    /// The node that claims the name of the member, in a conflict.
    gossip::member other_member() const noexcept { return gossip::member(gossip_event_other_member(c_handle())); }

    /// The nodes of a merge that is asked for.
    member_list members() const noexcept { return member_list(gossip_event_members(c_handle())); }

    /// The bytes of a message, a state, an ack payload or a name.
    bytes data() const noexcept
    {
        std::size_t len = 0;
        const std::uint8_t *data = gossip_event_data(c_handle(), &len);
        return {data, len};
    }

    /// Where a message came from; none for other events.
    address from() const noexcept
    {
        gossip_addr_t addr = {};
        (void)gossip_event_from(c_handle(), &addr);
        return address(addr);
    }

    /// Whether it is a message that was sent reliably, to this node alone and over TCP.
    bool is_reliable() const noexcept { return gossip_event_is_reliable(c_handle()) != 0; }

    /// More about a message; only for one.
    message about() const noexcept { return message(gossip_event_message(c_handle())); }

    /// Whether a state is exchanged in a join.
    bool is_join() const noexcept { return gossip_event_is_join(c_handle()) != 0; }

    /// How long a ping took.
    std::chrono::nanoseconds rtt() const noexcept { return std::chrono::nanoseconds(gossip_event_rtt_ns(c_handle())); }

    /// How many events were dropped, as an overflow tells.
    std::uint64_t dropped() const noexcept { return gossip_event_dropped(c_handle()); }

    /// How many lost members came back, as a healing tells.
    std::size_t returned() const noexcept { return gossip_event_returned(c_handle()); }

    /// How many lost members are still looked for after a healing.
    std::size_t missing() const noexcept { return gossip_event_missing(c_handle()); }

    /// In what a migration changes the pool; only for a step that was taken.
    gossip::migration_kind migration_kind() const noexcept
    {
        return static_cast<gossip::migration_kind>(gossip_event_migration_kind(c_handle()));
    }

    /// The step that was taken; only for one.
    gossip::step step() const noexcept { return static_cast<gossip::step>(gossip_event_step(c_handle())); }

    /// How long a question waits for its answer still; negative for what waits for none.
    milliseconds deadline() const noexcept { return milliseconds(gossip_event_deadline_ms(c_handle())); }

    /// Answers the question for a merge, a member or a ping; `reason` is for the log.
    ///
    /// Errors: invalid_arg if it is no such question, invalid_state if it was answered already,
    /// timeout if the default had been taken, invalid_utf8.
    void reply(verdict answer, std::string_view reason GOSSIP_HPP_OR({}), on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const detail::c_text text(reason);
        if (!text.ok)
            fail.ok(GOSSIP_ERR_INVALID_ARG, detail::nul_in_text);
        else
            fail.ok(gossip_event_reply_verdict(c_handle(), static_cast<std::int32_t>(answer), text.get()));
    }

    /// Answers the question for the state of a push/pull.
    ///
    /// Errors: too_large above 20 MiB, and as above.
    void reply(bytes state, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_event_reply_bytes(c_handle(), state.data(), state.size()));
    }
};

/// A bounded queue of what any number of pools, on any number of nodes, tell and ask, for
/// programs with a loop of their own: `pool_config::set_queue`. When it is full, changes of
/// membership are never lost; the rest is dropped, and one event tells so.
///
/// Memory: owns the queue and its descriptor; pools that put into it may outlive it, events that
/// were taken too. Threads: any number may take from it.
class queue : public handle<gossip_queue_t, gossip_queue_free> {
public:
    using handle::handle;

    /// Empty: no queue.
    queue() noexcept = default;

    /// Lets `max_events` wait, with `max_bytes` bytes, changes of members aside, which are never
    /// dropped: 10000 and 64 << 20 suit most programs.
    ///
    /// Errors: invalid_arg if one is 0.
    queue(std::size_t max_events, std::size_t max_bytes, on_error fail GOSSIP_HPP_OR_THROW)
    {
        gossip_queue_t *made = nullptr;
        fail.ok(gossip_queue_new(max_events, max_bytes, &made));
        reset(made);
    }

    /// The next event, oldest first; an empty one if there is none in time, or if the queue is
    /// closed and everything in it taken.
    ///
    /// Blocks: up to `timeout`. Errors: again, timeout, closed (none of them thrown).
    event poll(milliseconds timeout GOSSIP_HPP_OR(forever), on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_event_t *got = nullptr;
        fail.got(gossip_queue_poll(c_handle(), detail::c_timeout(timeout), &got));
        return event(got);
    }

    /// Up to `max` events that wait, with one look at the queue; waits for the first only.
    ///
    /// Blocks: up to `timeout`. Errors: invalid_arg if `max` is 0; as above.
    std::vector<event> poll_batch(std::size_t max, milliseconds timeout GOSSIP_HPP_OR(forever),
                                  on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::vector<gossip_event_t *> got(std::max<std::size_t>(max, 1));
        std::vector<event> batch;
        batch.reserve(max);
        std::size_t count = 0;
        if (fail.got(gossip_queue_poll_batch(c_handle(), detail::c_timeout(timeout), got.data(), max, &count)))
            for (std::size_t i = 0; i < count; i++)
                batch.emplace_back(got[i]);
        return batch;
    }

    /// What `events` returns: goes through the events as they come, each until the next one.
    class range {
    public:
        class iterator {
        public:
            using iterator_category = std::input_iterator_tag;
            using value_type = event;
            using reference = event &;
            using pointer = event *;
            using difference_type = std::ptrdiff_t;

            event &operator*() const noexcept { return range_->now_; }
            event *operator->() const noexcept { return &range_->now_; }
            iterator &operator++()
            {
                range_->next();
                return *this;
            }
            void operator++(int) { ++*this; }
            friend bool operator==(const iterator &left, const iterator &right) noexcept
            {
                return left.at_end() == right.at_end();
            }
            friend bool operator!=(const iterator &left, const iterator &right) noexcept { return !(left == right); }

        private:
            friend class range;
            explicit iterator(range *over) noexcept : range_(over) {}
            bool at_end() const noexcept { return range_ == nullptr || !range_->now_; }
            range *range_;
        };

        iterator begin()
        {
            next();
            return iterator(this);
        }
        iterator end() noexcept { return iterator(nullptr); }

    private:
        friend class queue;
        range(const queue &from, milliseconds timeout) noexcept : from_(&from), timeout_(timeout) {}

        void next()
        {
            std::error_code ignored; // Nothing to have ends the range; only a defect is anything else.
            now_ = from_->poll(timeout_, ignored);
        }

        const queue *from_;
        milliseconds timeout_;
        event now_;
    };

    /// `for (gossip::event &event : queue.events())` until the queue is closed; with 0ms what waits
    /// now; with another time until nothing came for so long. The events are moved out if kept.
    ///
    /// Memory: borrows the queue. Blocks: up to `timeout` for each.
    range events(milliseconds timeout = forever) const noexcept { return {*this, timeout}; }

    /// A descriptor that is readable exactly while `poll` would not wait. Only watch it.
    ///
    /// Memory: the queue's. Errors: resource_limit, io.
    gossip_fd_t fd(on_error fail GOSSIP_HPP_OR_THROW) const { return fd_of(fail); }

    /// A duplicate of it, for loops that close what they watch.
    ///
    /// Memory: yours. Errors: resource_limit, io.
    unique_fd watch_fd(on_error fail GOSSIP_HPP_OR_THROW) const { return detail::duplicate(fd_of(fail), fail); }

    /// Writes a byte to `wake_fd`, a pipe or socket with O_NONBLOCK, when something is put into
    /// the queue; -1 ends it.
    ///
    /// Memory: duplicates the descriptor. Errors: invalid_arg, resource_limit.
    void set_wake_fd(gossip_fd_t wake_fd, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_queue_set_wake_fd(c_handle(), wake_fd, fail.c_handle()));
    }

    /// What it counts.
    queue_stats stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        queue_stats all;
        fail.ok(gossip_queue_stats(c_handle(), &all.accepted, &all.dropped, &all.pending, &all.limit));
        return all;
    }

    /// Closes it: what waits can still be taken, then everybody gets `closed`.
    void close() const noexcept { (void)gossip_queue_close(c_handle()); }

private:
    gossip_fd_t fd_of(on_error &fail) const
    {
        gossip_fd_t fd = -1;
        fail.ok(gossip_queue_fd(c_handle(), &fd));
        return fd;
    }
};

inline pool_config &pool_config::set_queue(const queue &into, std::uint64_t tag, ask asks, on_error fail)
{
    if (!into)
        fail.ok(GOSSIP_ERR_NULL_ARG);
    else
        fail.ok(gossip_pool_config_set_queue(c_handle(), into.c_handle(), tag, static_cast<std::uint32_t>(asks),
                                             fail.c_handle()));
    return *this;
}

// ---------------------------------------------------------------------------------------------
// The program's own protocols
// ---------------------------------------------------------------------------------------------

/// A connection that was accepted; false if none was.
struct connection {
    /// A plain socket, close-on-exec, TCP_NODELAY. Mind SIGPIPE: send with MSG_NOSIGNAL.
    unique_fd fd;
    /// The other end.
    address peer;

    explicit operator bool() const noexcept { return static_cast<bool>(fd); }
};

/// Which connections a listener takes.
enum class listener_kind : std::int32_t {
    none = -1,
    native = GOSSIP_LISTENER_NATIVE,
    id = GOSSIP_LISTENER_ID,
    prefix = GOSSIP_LISTENER_PREFIX,
};

/// Receives the connections of one listener id or prefix, or all that belong to nobody else.
///
/// Memory: owns the listener and its descriptor, and closes it; connections are yours. Threads:
/// any number may accept; the destructor wakes them, no other call may be under way.
class listener : public handle<gossip_listener_t, gossip_listener_free> {
public:
    using handle::handle;

    /// The next connection; an empty one if there is none in time, or if the listener was closed.
    ///
    /// Blocks: up to `timeout`. Errors: again, timeout, closed (none of them thrown).
    connection accept(milliseconds timeout GOSSIP_HPP_OR(forever), fd_mode mode GOSSIP_HPP_OR(blocking), on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_fd_t fd = -1;
        gossip_addr_t peer = {};
        if (!fail.got(gossip_listener_accept(c_handle(), detail::c_timeout(timeout), static_cast<std::uint32_t>(mode),
                                             &fd, &peer)))
            return {};
        return {unique_fd(fd), address(peer)};
    }

    /// A descriptor that is readable exactly while `accept` would not wait. Only watch it.
    ///
    /// Memory: the listener's. Errors: resource_limit.
    gossip_fd_t fd(on_error fail GOSSIP_HPP_OR_THROW) const { return fd_of(fail); }

    /// A duplicate of it, for loops that close what they watch.
    ///
    /// Memory: yours. Errors: resource_limit.
    unique_fd watch_fd(on_error fail GOSSIP_HPP_OR_THROW) const { return detail::duplicate(fd_of(fail), fail); }

    /// Which connections it takes; none if empty.
    listener_kind kind() const noexcept { return static_cast<listener_kind>(gossip_listener_kind(c_handle())); }

    /// `native`, `id 0x0102`, `prefix SSH-`: as it stands in logs and metrics.
    std::string name(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return detail::read_text(fail, [&](char *buf, std::size_t cap, std::size_t *len) {
            return gossip_listener_name(c_handle(), buf, cap, len);
        });
    }

    /// All addresses of its port.
    std::vector<address> local_addrs(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const auto all = detail::read_list<gossip_addr_t>(fail, [&](gossip_addr_t *addrs, std::size_t cap, std::size_t *count) {
            return gossip_listener_local_addrs(c_handle(), addrs, cap, count);
        });
        return {all.begin(), all.end()};
    }

    /// Lets so many connections wait, 1 to 65536; more are closed and counted.
    ///
    /// Errors: config for an impossible number.
    void set_backlog(std::uint32_t backlog, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_listener_set_backlog(c_handle(), backlog, fail.c_handle()));
    }

    /// What it counts.
    queue_stats stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        queue_stats all;
        fail.ok(gossip_listener_stats(c_handle(), &all.accepted, &all.dropped, &all.pending, &all.limit));
        return all;
    }

    /// Stops listening and wakes everyone in `accept`.
    void close() const noexcept { (void)gossip_listener_close(c_handle()); }

private:
    gossip_fd_t fd_of(on_error &fail) const
    {
        gossip_fd_t fd = -1;
        fail.ok(gossip_listener_fd(c_handle(), &fd));
        return fd;
    }
};

/// Write no id: for the native listener, and for every other server.
inline constexpr std::int32_t native = GOSSIP_DIAL_NATIVE;

/// Connects to `host:port` and asks for the listener `id` there, or for none with
/// gossip::native. No node is needed.
///
/// Memory: the socket is yours, and is as `accept` gives it. Threads: any. Blocks: up to
/// `timeout`. Errors: addr_invalid, resolve, connect, again, timeout, reserved, resource_limit, io.
inline unique_fd dial(std::string_view addr, std::int32_t id, milliseconds timeout, fd_mode mode GOSSIP_HPP_OR(blocking),
                      on_error fail GOSSIP_HPP_OR_THROW)
{
    const detail::c_text text(addr);
    gossip_fd_t fd = -1;
    if (!text.ok)
        fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
    else
        fail.ok(gossip_dial(text.get(), id, detail::c_timeout(timeout), static_cast<std::uint32_t>(mode), &fd,
                            fail.c_handle()));
    return unique_fd(fd);
}

/// A datagram; false if there was none.
struct packet {
    std::vector<std::uint8_t> data;
    address from;

    explicit operator bool() const noexcept { return static_cast<bool>(from); }
};

/// Receives the datagrams that are no gossip, and sends from the shared port.
///
/// Memory: owns the receiver and its descriptor. Threads: any number may send and receive; close
/// it and join those that receive before its end.
class packets : public handle<gossip_packets_t, gossip_packets_free> {
public:
    using handle::handle;

    /// The next datagram; an empty one if there is none in time, or if the receiver was closed.
    ///
    /// Blocks: up to `timeout`. Errors: again, timeout, closed (none of them thrown).
    packet recv(milliseconds timeout GOSSIP_HPP_OR(forever), on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::uint8_t usual[2048];
        std::vector<std::uint8_t> large;
        gossip_addr_t from = {};
        std::size_t len = 0;
        gossip_status_t status =
            gossip_packets_recv(c_handle(), usual, sizeof usual, &len, &from, detail::c_timeout(timeout));
        const bool fits = status != GOSSIP_ERR_BUFFER_TOO_SMALL;
        // One that does not fit stays, but another receiver may take it.
        while (status == GOSSIP_ERR_BUFFER_TOO_SMALL) {
            large.resize(len);
            status = gossip_packets_recv(c_handle(), large.data(), large.size(), &len, &from, detail::c_timeout(timeout));
        }
        if (!fail.got(status))
            return {};
        if (fits)
            large.assign(usual, usual + len);
        large.resize(len);
        return {std::move(large), address(from)};
    }

    /// The same into memory of yours: its length, 0 if there is none. One that does not fit stays
    /// for the next call; 65507 bytes fit every one.
    ///
    /// Blocks: up to `timeout`. Errors: buffer_too_small; again, timeout, closed (not thrown).
    std::size_t recv_into(void *buf, std::size_t cap, address &from, milliseconds timeout GOSSIP_HPP_OR(forever),
                          on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_addr_t addr = {};
        std::size_t len = 0;
        if (!fail.got(gossip_packets_recv(c_handle(), buf, cap, &len, &addr, detail::c_timeout(timeout))))
            return 0;
        from = address(addr);
        return len;
    }

    /// Sends a datagram from the shared port; its first byte is not 0xFE.
    ///
    /// Errors: reserved, too_large, invalid_arg, closed, again if the socket has no room, io.
    void send(const address &to, bytes data, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_packets_send(c_handle(), to.c_handle(), data.data(), data.size(), fail.c_handle()));
    }

    /// A descriptor that is readable exactly while `recv` would not wait. Only watch it.
    ///
    /// Memory: the receiver's. Errors: resource_limit.
    gossip_fd_t fd(on_error fail GOSSIP_HPP_OR_THROW) const { return fd_of(fail); }

    /// A duplicate of it, for loops that close what they watch.
    ///
    /// Memory: yours. Errors: resource_limit.
    unique_fd watch_fd(on_error fail GOSSIP_HPP_OR_THROW) const { return detail::duplicate(fd_of(fail), fail); }

    /// All addresses from which it sends.
    std::vector<address> local_addrs(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const auto all = detail::read_list<gossip_addr_t>(fail, [&](gossip_addr_t *addrs, std::size_t cap, std::size_t *count) {
            return gossip_packets_local_addrs(c_handle(), addrs, cap, count);
        });
        return {all.begin(), all.end()};
    }

    /// What it counts.
    queue_stats stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        queue_stats all;
        fail.ok(gossip_packets_stats(c_handle(), &all.accepted, &all.dropped, &all.pending, &all.limit));
        return all;
    }

    /// Stops receiving and wakes everyone in `recv`.
    void close() const noexcept { (void)gossip_packets_close(c_handle()); }

private:
    gossip_fd_t fd_of(on_error &fail) const
    {
        gossip_fd_t fd = -1;
        fail.ok(gossip_packets_fd(c_handle(), &fd));
        return fd;
    }
};

// ---------------------------------------------------------------------------------------------
// Counters, log
// ---------------------------------------------------------------------------------------------

/// A counter: its name and its value.
struct counter {
    std::string_view name;
    std::uint64_t value = 0;
};

/// Counters at one moment: `for (gossip::counter count : node.stats())`. It never changes.
///
/// Memory: owns the names. Threads: any.
class stats : public handle<gossip_stats_t, gossip_stats_free> {
public:
    using handle::handle;

    std::size_t size() const noexcept { return gossip_stats_len(c_handle()); }

    /// The counter at `index`; without a name behind the last.
    counter operator[](std::size_t index) const noexcept
    {
        const char *name = "";
        counter found;
        if (gossip_stats_at(c_handle(), index, &name, &found.value) == GOSSIP_OK)
            found.name = name;
        return found;
    }

    /// The value of that name, if there is one.
    std::optional<std::uint64_t> find(std::string_view name) const
    {
        const detail::c_text text(name);
        std::uint64_t value = 0;
        if (!text.ok || gossip_stats_find(c_handle(), text.get(), &value) != GOSSIP_OK)
            return std::nullopt;
        return value;
    }

    using iterator = detail::iterator<stats>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }
};

/// A listener of a node, as `listeners` has it.
struct listener_stats {
    std::string_view name;
    queue_stats stats;
};

/// The listeners of a node at one moment, sorted: native, ids, prefixes. It never changes.
///
/// Memory: owns the names. Threads: any.
class listeners : public handle<gossip_listeners_t, gossip_listeners_free> {
public:
    using handle::handle;

    std::size_t size() const noexcept { return gossip_listeners_len(c_handle()); }

    /// The listener at `index`; without a name behind the last.
    listener_stats operator[](std::size_t index) const noexcept
    {
        const char *name = "";
        queue_stats all;
        if (gossip_listeners_at(c_handle(), index, &name, &all.accepted, &all.dropped, &all.pending, &all.limit) != GOSSIP_OK)
            return {};
        return {name, all};
    }

    using iterator = detail::iterator<listeners>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }
};

/// How much is logged; each level includes those before it.
enum class log_level : std::int32_t {
    off = GOSSIP_LOG_OFF,
    error = GOSSIP_LOG_ERROR,
    warn = GOSSIP_LOG_WARN,
    info = GOSSIP_LOG_INFO,
    debug = GOSSIP_LOG_DEBUG,
    trace = GOSSIP_LOG_TRACE,
};

/// `error`, `warn` and so on. The text is static.
inline const char *to_string(log_level level) noexcept
{
    return gossip_log_level_name(static_cast<std::int32_t>(level));
}

/// One line of the log: a view.
///
/// Memory: lives until the callback returns. Threads: that of the callback.
class record {
public:
    explicit record(const gossip_record_t *borrowed) noexcept : record_(borrowed) {}

    log_level level() const noexcept { return static_cast<log_level>(gossip_record_level(record_)); }

    /// The part of the library that says it.
    const char *target() const noexcept { return gossip_record_target(record_); }

    /// What happened: the same text for the same thing.
    const char *message() const noexcept { return gossip_record_message(record_); }

    /// The particulars as `key=value`, separated by spaces, in one line.
    const char *fields() const noexcept { return gossip_record_fields(record_); }

    /// The id of the pool that it concerns; -1 if none.
    std::int32_t pool() const noexcept { return gossip_record_pool(record_); }

    /// When it happened.
    std::chrono::system_clock::time_point time() const noexcept
    {
        const std::chrono::nanoseconds since_1970(gossip_record_time_ns(record_));
        return std::chrono::system_clock::time_point(
            std::chrono::duration_cast<std::chrono::system_clock::duration>(since_1970));
    }

    const gossip_record_t *c_handle() const noexcept { return record_; }

private:
    const gossip_record_t *record_;
};

// ---------------------------------------------------------------------------------------------
// Pools
// ---------------------------------------------------------------------------------------------

/// An address that a join tried.
struct joined_address {
    /// The address, or the seed as given if that has none.
    std::string_view addr;
    /// Why it was not reached; empty if it was.
    std::string_view reason;
};

/// What a join reached, those that were reached first: a list of joined_address. It never changes.
///
/// Memory: owns the texts. Threads: any.
class joined : public handle<gossip_joined_t, gossip_joined_free> {
public:
    using handle::handle;

    /// How many addresses were tried, seeds without an address included.
    std::size_t size() const noexcept { return gossip_joined_len(c_handle()); }

    /// How many of them were reached.
    std::size_t reached() const noexcept { return gossip_joined_reached(c_handle()); }

    /// How many addresses were left out, of a host that has very many.
    std::size_t untried() const noexcept { return gossip_joined_untried(c_handle()); }

    /// The address at `index`; an empty one behind the last.
    joined_address operator[](std::size_t index) const noexcept
    {
        const char *addr = nullptr, *reason = nullptr;
        if (gossip_joined_at(c_handle(), index, &addr, &reason) != GOSSIP_OK)
            return {};
        return {addr == nullptr ? "" : addr, reason == nullptr ? "" : reason};
    }

    using iterator = detail::iterator<joined>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }
};

/// The way between this node and a member, as its probes show it.
enum class path : std::int32_t {
    none = -1,
    unknown = GOSSIP_PATH_UNKNOWN,
    direct = GOSSIP_PATH_DIRECT,
    slow = GOSSIP_PATH_SLOW,
    one_way = GOSSIP_PATH_ONE_WAY,
    relayed = GOSSIP_PATH_RELAYED,
    stream_only = GOSSIP_PATH_STREAM_ONLY,
    cut = GOSSIP_PATH_CUT,
};

/// The spans of an explanation; -1 ns for what has not happened.
struct explanation_times {
    /// Since the member's state began.
    std::chrono::nanoseconds since{-1};
    /// Since the last ping or ack of its own came.
    std::chrono::nanoseconds heard{-1};
    /// Since it last acknowledged a probe of this node, and the round trip of that.
    std::chrono::nanoseconds acked{-1}, rtt{-1};
    /// While it is suspect: until it is taken for dead.
    std::chrono::nanoseconds dead_in{-1};
};

/// Why a member is suspected or dead, or not, at one moment: a list of its accusers' names. It
/// never changes.
///
/// Memory: owns the texts and the member. Threads: any.
class explanation : public handle<gossip_explanation_t, gossip_explanation_free> {
public:
    using handle::handle;

    /// A few lines for people, the last of them a conclusion.
    const char *text() const noexcept { return gossip_explanation_text(c_handle()); }

    /// The member, with the state that is explained.
    member who() const noexcept { return member(gossip_explanation_member(c_handle())); }

    /// What its probes say of the way to it.
    gossip::path path() const noexcept { return static_cast<gossip::path>(gossip_explanation_path(c_handle())); }

    /// How long since what happened.
    explanation_times times() const noexcept
    {
        std::int64_t since = -1, heard = -1, acked = -1, rtt = -1, dead_in = -1;
        const gossip_status_t status = gossip_explanation_times(c_handle(), &since, &heard, &acked, &rtt, &dead_in);
        using std::chrono::nanoseconds;
        if (status != GOSSIP_OK)
            return {};
        return {nanoseconds(since), nanoseconds(heard), nanoseconds(acked), nanoseconds(rtt), nanoseconds(dead_in)};
    }

    /// How many accused it.
    std::size_t size() const noexcept { return gossip_explanation_accuser_count(c_handle()); }

    /// The name of the accuser at `index`; empty behind the last.
    std::string_view operator[](std::size_t index) const noexcept
    {
        const char *name = nullptr;
        return gossip_explanation_accuser_at(c_handle(), index, &name) == GOSSIP_OK ? name : "";
    }

    using iterator = detail::iterator<explanation>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }
};

/// A conclusion of the doctor.
struct finding {
    /// Of gossip_finding_t; -1 for none.
    std::int32_t code = -1;
    /// Its short name, such as `udp_blocked`.
    std::string_view name;
    /// What it means, and what to look at.
    std::string_view sentence;
};

/// Something that the doctor tried.
struct check {
    /// Its short name, such as `udp_full`.
    std::string_view name;
    /// Of gossip_check_t; -1 for none.
    std::int32_t result = -1;
    /// How long it took; -1 ns if that means nothing.
    std::chrono::nanoseconds took{-1};
    /// What happened, in words.
    std::string_view detail;
};

/// What the doctor has found about the way to a peer: a list of findings, the most important
/// first. It never changes.
///
/// Memory: owns the texts. Threads: any.
class diagnosis : public handle<gossip_diagnosis_t, gossip_diagnosis_free> {
public:
    using handle::handle;

    /// A line for each check, then the conclusions, for people.
    const char *text() const noexcept { return gossip_diagnosis_text(c_handle()); }

    /// Whether nothing is wrong.
    bool is_healthy() const noexcept { return gossip_diagnosis_is_healthy(c_handle()) != 0; }

    /// How many conclusions there are.
    std::size_t size() const noexcept { return gossip_diagnosis_finding_count(c_handle()); }

    /// The conclusion at `index`; none behind the last.
    finding operator[](std::size_t index) const noexcept
    {
        const char *name = nullptr, *sentence = nullptr;
        finding found;
        if (gossip_diagnosis_finding_at(c_handle(), index, &found.code, &name, &sentence) != GOSSIP_OK)
            return {};
        found.name = name;
        found.sentence = sentence;
        return found;
    }

    using iterator = detail::iterator<diagnosis>;
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }

    /// How many checks were made.
    std::size_t check_count() const noexcept { return gossip_diagnosis_check_count(c_handle()); }

    /// The check at `index`; none behind the last.
    gossip::check check(std::size_t index) const noexcept
    {
        const char *name = nullptr, *detail = nullptr;
        std::int64_t took = -1;
        gossip::check made;
        if (gossip_diagnosis_check_at(c_handle(), index, &name, &made.result, &took, &detail) != GOSSIP_OK)
            return {};
        made.name = name;
        made.took = std::chrono::nanoseconds(took);
        made.detail = detail;
        return made;
    }
};

/// How a migration is to go.
struct migration_options {
    /// The last step to be taken.
    step until = step::require;
    /// Pass over members that take no such requests, such as those of memberlist: somebody does the
    /// steps there by hand.
    bool by_hand = false;
    /// Pass over members that died without a goodbye, and may come back with what they knew.
    bool without_lost = false;
    /// Called in the calling thread for each member that has taken a step, `trouble` being empty, or
    /// is in the way of one. It must not throw.
    std::function<void(step taken, std::string_view member, std::string_view trouble, std::size_t done, std::size_t total)>
        progress;
};

/// How a migration went that came where it should.
///
/// Memory: owns the texts. Threads: any.
class migration : public handle<gossip_migration_t, gossip_migration_free> {
public:
    using handle::handle;

    /// A sentence for people.
    const char *text() const noexcept { return gossip_migration_text(c_handle()); }

    /// Those that have taken the last step, this node included.
    std::vector<std::string> members() const { return part(GOSSIP_MIGRATION_MEMBERS); }

    /// Those that were passed over because they take no such requests.
    std::vector<std::string> by_hand() const { return part(GOSSIP_MIGRATION_MANUAL); }

    /// Those that were passed over because they are dead.
    std::vector<std::string> lost() const { return part(GOSSIP_MIGRATION_LOST); }

private:
    std::vector<std::string> part(std::int32_t which) const
    {
        std::vector<std::string> names(gossip_migration_count(c_handle(), which));
        const char *name = nullptr;
        for (std::size_t i = 0; gossip_migration_at(c_handle(), which, i, &name) == GOSSIP_OK; i++)
            names[i] = name;
        return names;
    }
};

/// An encryption key. Its destructor wipes it.
///
/// Threads: as any value.
class secret {
public:
    secret() noexcept = default;
    secret(const secret &) noexcept = default;
    secret &operator=(const secret &) noexcept = default;
    ~secret() { wipe(data_.data(), data_.size()); }

    /// Takes a copy of at most GOSSIP_KEY_MAX bytes.
    explicit secret(bytes key) noexcept : size_(std::min(key.size(), data_.size()))
    {
        std::copy_n(key.begin(), size_, data_.begin());
    }

    /// The bytes, which live as long as this.
    bytes get() const noexcept { return {data_.data(), size_}; }

    /// Overwrites memory, also if nobody reads it any more.
    static void wipe(std::uint8_t *data, std::size_t size) noexcept
    {
        for (volatile std::uint8_t *at = data; size > 0; size--)
            *at++ = 0;
    }

private:
    std::array<std::uint8_t, GOSSIP_KEY_MAX> data_ = {};
    std::size_t size_ = 0;
};

/// The keys of a pool: a view. To rotate: `add` the new key everywhere, then `use` it everywhere,
/// then `remove` the old one everywhere.
///
/// Memory: borrows from its pool. Threads: any.
class keyring {
public:
    explicit keyring(const gossip_pool_t *borrowed) noexcept : pool_(borrowed) {}

    /// Adds a key of 16, 24 or 32 bytes, for decryption; in a pool without keys it encrypts too.
    ///
    /// Errors: invalid_arg for other lengths, invalid_state before the start, closed.
    void add(bytes key, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_keyring_add(pool_, key.data(), key.size(), fail.c_handle()));
    }

    /// Makes a key of the keyring the primary one, which encrypts.
    ///
    /// Errors: not_found if it is not in the keyring, invalid_state before the start, closed.
    void use(bytes key, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_keyring_use(pool_, key.data(), key.size(), fail.c_handle()));
    }

    /// Removes a key.
    ///
    /// Errors: in_use for the primary key, invalid_state before the start, closed.
    void remove(bytes key, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_keyring_remove(pool_, key.data(), key.size(), fail.c_handle()));
    }

    /// All keys, the primary one first.
    ///
    /// Errors: invalid_state before the start, closed.
    std::vector<secret> list(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::vector<std::uint8_t> keys;
        const auto lens = detail::read_list<std::size_t>(fail, [&](std::size_t *array, std::size_t cap, std::size_t *count) {
            keys.resize(cap * GOSSIP_KEY_MAX);
            return gossip_pool_keyring_list(pool_, keys.data(), array, cap, count);
        });
        std::vector<secret> all;
        for (std::size_t i = 0; i < lens.size(); i++)
            all.emplace_back(bytes(keys.data() + i * GOSSIP_KEY_MAX, lens[i]));
        secret::wipe(keys.data(), keys.size());
        return all;
    }

private:
    const gossip_pool_t *pool_;
};

/// A pool of a node. Several handles can stand for the same pool.
///
/// Memory: owns the handle and not the pool, which lives until `shutdown` or the node's end; then
/// its functions fail with `closed`. Threads: any number at once, callbacks too. Errors: besides
/// those that a function names, invalid_state before the node's start and closed after its end.
class pool : public handle<gossip_pool_t, gossip_pool_free> {
public:
    using handle::handle;

    /// Its id; -1 on an error.
    std::int32_t id(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int32_t id = -1;
        fail.ok(gossip_pool_id(c_handle(), &id));
        return id;
    }

    /// What was chosen about it: a copy, for keys to be read, or for another pool of the kind.
    pool_config config(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_pool_config_t *made = nullptr;
        fail.ok(gossip_pool_get_config(c_handle(), &made));
        return pool_config(made);
    }

    /// The memberlist protocol version that this node speaks in it.
    std::int32_t protocol_version(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int32_t version = 0;
        fail.ok(gossip_pool_protocol_version(c_handle(), &version));
        return version;
    }

    /// Joins by exchanging state with each seed: `host`, `host:port` or `name/host:port`. One that
    /// answers is enough.
    ///
    /// Blocks: up to `timeout`. Errors: join_failed with each seed's reason in
    /// `failure::problems`, crypto or protocol if that is the reason of all; again, timeout, cancelled, invalid_arg.
    joined join(const texts &seeds, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_joined_t *made = nullptr;
        if (!seeds.ok()) {
            fail.ok(GOSSIP_ERR_INVALID_ARG, detail::nul_in_text);
            return {};
        }
        const auto [list, lens] = seeds.c_texts();
        fail.ok(gossip_pool_join(c_handle(), list.data(), lens.size(), detail::c_timeout(timeout), &made, fail.c_handle()));
        return joined(made);
    }

    /// Says goodbye, so that the others see this node as left and not as dead.
    ///
    /// Blocks: up to `timeout`. Errors: again, timeout if it could not be said as often as it should.
    void leave(milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_leave(c_handle(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// The members, alive or suspect, this node included, sorted by name: a snapshot, in every
    /// state of the node.
    gossip::members members(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_members_t *made = nullptr;
        fail.ok(gossip_pool_members(c_handle(), &made));
        return gossip::members(made);
    }

    /// How many members there are, alive or suspect, this node included.
    std::size_t num_members(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::size_t count = 0;
        fail.ok(gossip_pool_num_members(c_handle(), &count));
        return count;
    }

    /// This node as a member.
    kept_member local_node(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_members_t *made = nullptr;
        fail.ok(gossip_pool_local_node(c_handle(), &made));
        return kept_member(gossip::members(made));
    }

    /// How much this node doubts itself; 0 is healthy.
    std::int32_t health_score(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int32_t score = 0;
        fail.ok(gossip_pool_health_score(c_handle(), &score));
        return score;
    }

    /// The time of day that belongs to `message::received`, whatever became of the system's clock meanwhile.
    std::chrono::system_clock::time_point wall_clock(std::chrono::nanoseconds received,
                                                     on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int64_t unix_ns = 0;
        fail.ok(gossip_pool_wall_clock(c_handle(), static_cast<std::uint64_t>(received.count()), &unix_ns));
        const auto since = std::chrono::nanoseconds(unix_ns);
        return std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(since));
    }

    /// Announces new metadata, at most GOSSIP_META_MAX bytes, and waits until it was gossiped.
    ///
    /// Blocks: up to `timeout`. Errors: too_large; again, timeout, after which it stays announced.
    void update_node(bytes meta, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_update_node(c_handle(), meta.data(), meta.size(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// Publishes the state that others receive in push/pulls, until the next call.
    ///
    /// Errors: too_large.
    void set_local_state(bytes state, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_set_local_state(c_handle(), state.data(), state.size(), fail.c_handle()));
    }

    /// Publishes the bytes that ride on every ack, until the next call.
    ///
    /// Errors: too_large.
    void set_ack_payload(bytes payload, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_set_ack_payload(c_handle(), payload.data(), payload.size(), fail.c_handle()));
    }

    /// Never pings these members over TCP, in place of those named before.
    ///
    /// Errors: invalid_arg.
    void disable_tcp_pings_for(const texts &names, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const auto [list, lens] = names.c_texts();
        fail.ok(gossip_pool_disable_tcp_pings_for(c_handle(), list.data(), lens.data(), lens.size(), fail.c_handle()));
    }

    /// Gives a message to gossip, for every member.
    ///
    /// Blocks: up to `timeout` for room in the queue, not for delivery. Errors: too_large above
    /// `max_broadcast_size`; again, timeout if the queue is full; invalid_state after a leave.
    void broadcast(bytes data, milliseconds timeout GOSSIP_HPP_OR(milliseconds(0)), on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_broadcast(c_handle(), data.data(), data.size(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// The same under a name of up to 255 bytes: in place of this node's older broadcasts of that
    /// name.
    void broadcast_named(bytes name, bytes data, milliseconds timeout GOSSIP_HPP_OR(milliseconds(0)),
                         on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_broadcast_named(c_handle(), name.data(), name.size(), data.data(), data.size(),
                                            detail::c_timeout(timeout), fail.c_handle()));
    }

    /// How many bytes a broadcast may have.
    std::size_t max_broadcast_size(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::size_t size = 0;
        fail.ok(gossip_pool_max_broadcast_size(c_handle(), &size));
        return size;
    }

    /// Sends a message to one member in a datagram, which may be lost.
    ///
    /// Errors: too_large; null_arg for no member.
    void send_best_effort(const member &to, bytes data, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_send_best_effort(c_handle(), to.c_handle(), data.data(), data.size(), fail.c_handle()));
    }

    /// The same to an address, of which no member need be known.
    ///
    /// Errors: too_large; invalid_arg for no address.
    void send_to_address(const address &to, bytes data, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_send_to_address(c_handle(), to.c_handle(), data.data(), data.size(), fail.c_handle()));
    }

    /// The same to `host:port`, or `name/host:port` to a node of that name.
    ///
    /// Blocks: up to `timeout`, while the host's name is looked up. Errors: too_large,
    /// addr_invalid, resolve, invalid_utf8; invalid_arg without a name that the pool requires;
    /// again, timeout.
    void send_best_effort_to(std::string_view to, bytes data, milliseconds timeout,
                             on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const detail::c_text text(to);
        if (!text.ok)
            fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
        else
            fail.ok(gossip_pool_send_best_effort_to(c_handle(), text.get(), data.data(), data.size(),
                                                    detail::c_timeout(timeout), fail.c_handle()));
    }

    /// Sends a message to one member over TCP, and returns when it has arrived, as certainly as the result says.
    ///
    /// Blocks: up to `timeout`. Errors: too_large, connect, not_taken, cancelled, again, timeout;
    /// rejected, protocol, crypto; null_arg for no member. After an error the result means nothing.
    delivery send_reliable(const member &to, bytes data, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int32_t arrived = 0;
        fail.ok(gossip_pool_send_reliable(c_handle(), to.c_handle(), data.data(), data.size(),
                                          detail::c_timeout(timeout), &arrived, fail.c_handle()));
        return static_cast<delivery>(arrived);
    }

    /// The same to `host:port`, or `name/host:port` to a node of that name.
    ///
    /// Blocks: up to `timeout`. Errors: as above, and those of `send_best_effort_to`.
    delivery send_reliable_to(std::string_view to, bytes data, milliseconds timeout,
                              on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int32_t arrived = 0;
        const detail::c_text text(to);
        if (!text.ok)
            fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
        else
            fail.ok(gossip_pool_send_reliable_to(c_handle(), text.get(), data.data(), data.size(),
                                                 detail::c_timeout(timeout), &arrived, fail.c_handle()));
        return static_cast<delivery>(arrived);
    }

    /// Pings a member and returns the round trip.
    ///
    /// Blocks: up to `timeout`. Errors: no_response, again, timeout; null_arg for no member.
    std::chrono::nanoseconds ping(const member &to, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::int64_t rtt = 0;
        fail.ok(gossip_pool_ping(c_handle(), to.c_handle(), detail::c_timeout(timeout), &rtt, fail.c_handle()));
        return std::chrono::nanoseconds(rtt);
    }

    /// The same to `host:port`, or `name/host:port` to a node of that name.
    ///
    /// Blocks: up to `timeout`. Errors: as above, and those of `send_best_effort_to`.
    std::chrono::nanoseconds ping_to(std::string_view to, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const detail::c_text text(to);
        std::int64_t rtt = 0;
        if (!text.ok)
            fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
        else
            fail.ok(gossip_pool_ping_to(c_handle(), text.get(), detail::c_timeout(timeout), &rtt, fail.c_handle()));
        return std::chrono::nanoseconds(rtt);
    }

    /// Why the member of that name is suspected or dead, or not.
    ///
    /// Errors: not_found if no member has that name.
    gossip::explanation explain(std::string_view name, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_explanation_t *made = nullptr;
        fail.ok(gossip_pool_explain(c_handle(), name.data(), name.size(), &made, fail.c_handle()));
        return gossip::explanation(made);
    }

    /// Finds out which direction of which protocol to a member, or to `host:port`, does not work.
    ///
    /// Blocks: up to `timeout`, which should be a few seconds. Errors: again while another doctor
    /// is at work in this pool, and those of `send_best_effort_to`.
    gossip::diagnosis doctor(std::string_view target, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const detail::c_text text(target);
        gossip_diagnosis_t *made = nullptr;
        if (!text.ok)
            fail.ok(GOSSIP_ERR_ADDR_INVALID, detail::nul_in_text);
        else
            fail.ok(gossip_pool_doctor(c_handle(), text.get(), detail::c_timeout(timeout), &made, fail.c_handle()));
        return gossip::diagnosis(made);
    }

    /// The pool's keys.
    gossip::keyring keyring() const noexcept { return gossip::keyring(c_handle()); }

    /// Of a pool with keys: whether clear text is refused, and whether what goes out is encrypted.
    /// A cluster moves to encryption in three steps: neither and a key, then `outgoing`, then both.
    void set_gossip_verify(bool incoming, bool outgoing, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_set_gossip_verify(c_handle(), incoming, outgoing, fail.c_handle()));
    }

    /// Accepts a label, too: the first of three steps in which a cluster moves to another label,
    /// each on every node before the next. No bytes at all are the move to no label.
    ///
    /// Errors: config above GOSSIP_LABEL_MAX bytes or where the pool can have none, exists,
    /// too_large.
    void accept_label(bytes label, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_accept_label(c_handle(), label.data(), label.size(), fail.c_handle()));
    }

    /// Speaks under the label, and still accepts the former one: the second step.
    ///
    /// Errors: as above.
    void speak_label(bytes label, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_speak_label(c_handle(), label.data(), label.size(), fail.c_handle()));
    }

    /// Speaks under the label and accepts no other: the last step.
    ///
    /// Errors: as above.
    void require_label(bytes label, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_require_label(c_handle(), label.data(), label.size(), fail.c_handle()));
    }

    /// Replaces the key of the whole pool: all members install it, then use it, then remove all others.
    ///
    /// Blocks: up to `timeout`. Errors: not_migrated, whose problems name each member in the way;
    /// invalid_arg for other lengths and in a pool that is not encrypted, again while another
    /// migration is under way, invalid_state, closed, cancelled.
    void rotate_key(bytes key, milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_rotate_key(c_handle(), key.data(), key.size(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// Moves the whole pool to another key, to encryption or to another label.
    ///
    /// Blocks: up to `timeout`. Errors: as above, and too_large for a label.
    migration migrate(migration_kind kind, bytes to, milliseconds timeout, const migration_options &options GOSSIP_HPP_OR({}),
                      on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const std::uint32_t flags = (options.by_hand ? std::uint32_t(GOSSIP_MIGRATION_BY_HAND) : 0) |
                                    (options.without_lost ? std::uint32_t(GOSSIP_MIGRATION_WITHOUT_LOST) : 0);
        const auto tell = [](void *user_data, std::int32_t taken, const char *member, const char *trouble, std::size_t done,
                             std::size_t total) noexcept {
            const auto &progress = static_cast<const migration_options *>(user_data)->progress;
            if (progress)
                progress(static_cast<step>(taken), member, trouble == nullptr ? "" : trouble, done, total);
        };
        gossip_migration_t *made = nullptr;
        fail.ok(gossip_pool_migrate(c_handle(), static_cast<std::int32_t>(kind), to.data(), to.size(),
                                    static_cast<std::int32_t>(options.until), flags, detail::c_timeout(timeout), tell,
                                    const_cast<migration_options *>(&options), &made, fail.c_handle()));
        return migration(made);
    }

    /// The counters of this pool.
    gossip::stats stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_stats_t *made = nullptr;
        fail.ok(gossip_pool_stats(c_handle(), &made));
        return gossip::stats(made);
    }

    /// The metrics of this pool as text for Prometheus, in every state of the pool.
    std::string metrics_text(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return detail::read_text(fail, [&](char *buf, std::size_t cap, std::size_t *len) {
            return gossip_pool_metrics_text(c_handle(), buf, cap, len);
        });
    }

    /// Ends this pool alone, without leaving; its callbacks have ended, its delegate is let go.
    ///
    /// Blocks: up to `timeout`. Errors: deadlock from a callback of this pool; again, timeout if
    /// one still runs.
    void shutdown(milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_pool_shutdown(c_handle(), detail::c_timeout(timeout), fail.c_handle()));
    }
};

// ---------------------------------------------------------------------------------------------
// Nodes
// ---------------------------------------------------------------------------------------------

/// A node: one TCP and UDP port, up to 256 pools that gossip on it, and the program's own
/// listeners beside them. Its constructor binds, `start` serves, `shutdown` ends.
///
/// Memory: owns the node. The destructor shuts it down without leaving, and waits for callbacks
/// that run; handles of pools and listeners may be freed before or after it. Threads: any number
/// at once, callbacks too. Errors: besides those that a function names, closed after the shutdown.
class node : public handle<gossip_t, gossip_free> {
public:
    using handle::handle;

    /// Empty.
    node() noexcept = default;

    /// Checks the configuration and binds the port.
    ///
    /// Memory: copies the configuration. Errors: config with `failure::problems`, addr_in_use,
    /// addr_invalid, resource_limit, io; abi_mismatch if this file is of another library.
    explicit node(const config &with, on_error fail GOSSIP_HPP_OR_THROW) { open(with, nullptr, 0, fail); }

    /// The same over sockets that are bound already, a TCP and a UDP one for each address.
    ///
    /// Memory: takes the descriptors out of `sockets`, if it does not fail. Errors: invalid_arg
    /// for descriptors that make no port; as above.
    node(const config &with, std::vector<unique_fd> &sockets, on_error fail GOSSIP_HPP_OR_THROW)
    {
        std::vector<gossip_fd_t> fds;
        for (const unique_fd &socket : sockets)
            fds.push_back(socket.get());
        if (!open(with, fds.data(), fds.size(), fail))
            return;
        for (unique_fd &socket : sockets)
            (void)socket.release(); // Closed by the library.
        sockets.clear();
    }

    /// Serves the port and starts every registered pool: all or nothing.
    ///
    /// Errors: resource_limit, io, rejected.
    void start(on_error fail GOSSIP_HPP_OR_THROW) const { fail.ok(gossip_start(c_handle(), fail.c_handle())); }

    /// Leaves every pool, so that the others see this node as left and not as dead.
    ///
    /// Blocks: up to `timeout`. Errors: invalid_state before the start; again, timeout.
    void leave(milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_leave(c_handle(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// Ends the node, without leaving: when it returns, nothing of the library runs any more, and
    /// every delegate is let go. After a timeout call it again.
    ///
    /// Blocks: up to `timeout`. Errors: deadlock from a callback of this node; again, timeout if
    /// one still runs.
    void shutdown(milliseconds timeout, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        fail.ok(gossip_shutdown(c_handle(), detail::c_timeout(timeout), fail.c_handle()));
    }

    /// Whether it was started and not shut down.
    bool is_running() const noexcept { return gossip_is_running(c_handle()) != 0; }

    /// Its name, as configured or taken from the host.
    std::string name(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return detail::read_text(fail, [&](char *buf, std::size_t cap, std::size_t *len) {
            return gossip_node_name(c_handle(), buf, cap, len);
        });
    }

    /// The first bound address, with the real port.
    address local_addr(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_addr_t addr = {};
        fail.ok(gossip_local_addr(c_handle(), &addr));
        return address(addr);
    }

    /// All bound addresses, with the real port.
    std::vector<address> local_addrs(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        const auto all = detail::read_list<gossip_addr_t>(fail, [&](gossip_addr_t *addrs, std::size_t cap, std::size_t *count) {
            return gossip_local_addrs(c_handle(), addrs, cap, count);
        });
        return {all.begin(), all.end()};
    }

    /// The address that it tells others.
    address advertise_addr(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_addr_t addr = {};
        fail.ok(gossip_advertise_addr(c_handle(), &addr));
        return address(addr);
    }

    /// The receive buffer that the system granted the UDP sockets, in bytes.
    std::size_t udp_recv_buffer(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        std::size_t size = 0;
        fail.ok(gossip_udp_recv_buffer(c_handle(), &size));
        return size;
    }

    /// Adds a pool that tells nobody, or a queue; on a running node it starts at once.
    ///
    /// Memory: copies the configuration. Errors: config with `failure::problems`, exists,
    /// rejected; closed also if the configuration's queue is.
    pool register_pool(const pool_config &with, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return add(with, nullptr, fail);
    }

    /// Adds a pool that calls functions.
    ///
    /// Memory: the library keeps them until the pool has ended, or this has failed. Errors: as
    /// above; invalid_arg beside a queue.
    pool register_pool(const pool_config &with, callbacks calls, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return add_delegate(with, std::make_unique<callbacks>(std::move(calls)), fail);
    }

    /// Adds a pool that calls a delegate, which several pools may share; null is none.
    ///
    /// Memory: the library is one of its owners until the pool has ended, or this has failed.
    /// Errors: as above.
    template <class Delegate, class = std::enable_if_t<std::is_base_of_v<delegate, Delegate>>>
    pool register_pool(const pool_config &with, std::shared_ptr<Delegate> calls, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        static_assert(detail::asks_what_it_answers<Delegate>,
                      "a delegate that overrides a question must override `asks`, or it is never asked");
        if (calls == nullptr)
            return add(with, nullptr, fail);
        return add_delegate(with, std::make_unique<std::shared_ptr<delegate>>(std::move(calls)), fail);
    }

    /// The same with a delegate of its own.
    template <class Delegate, class = std::enable_if_t<std::is_base_of_v<delegate, Delegate>>>
    pool register_pool(const pool_config &with, std::unique_ptr<Delegate> calls, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        static_assert(detail::asks_what_it_answers<Delegate>,
                      "a delegate that overrides a question must override `asks`, or it is never asked");
        if (calls == nullptr)
            return add(with, nullptr, fail);
        return add_delegate(with, std::make_unique<std::shared_ptr<delegate>>(std::move(calls)), fail);
    }

    /// Another handle of the pool with this id.
    ///
    /// Errors: not_found, invalid_arg.
    pool get_pool(std::int32_t id, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_pool_t *made = nullptr;
        fail.ok(gossip_get_pool(c_handle(), id, &made));
        return pool(made);
    }

    /// The ids of all pools, ascending.
    std::vector<std::int32_t> list_pools(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return detail::read_list<std::int32_t>(fail, [&](std::int32_t *ids, std::size_t cap, std::size_t *count) {
            return gossip_list_pools(c_handle(), ids, cap, count);
        });
    }

    /// Listens for connections that `dial` made for this id, 0 to 0xFFFF without 0xFE00..0xFEFF.
    ///
    /// Errors: reserved, exists, invalid_arg.
    listener listen(std::int32_t id, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_listener_t *made = nullptr;
        fail.ok(gossip_listen(c_handle(), id, &made, fail.c_handle()));
        return listener(made);
    }

    /// Listens for all connections that belong to nobody else, such as HTTP; their bytes are
    /// untouched.
    ///
    /// Errors: exists.
    listener listen_tcp(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_listener_t *made = nullptr;
        fail.ok(gossip_listen_tcp(c_handle(), &made, fail.c_handle()));
        return listener(made);
    }

    /// Listens for connections that begin with these bytes, 1 to 64, which stay in them.
    ///
    /// Errors: invalid_arg, reserved; exists if the same bytes may mean another owner.
    listener listen_prefix(bytes prefix, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_listener_t *made = nullptr;
        fail.ok(gossip_listen_prefix(c_handle(), prefix.data(), prefix.size(), &made, fail.c_handle()));
        return listener(made);
    }

    /// Receives all datagrams that no pool claims; there is one receiver for a node.
    ///
    /// Errors: exists.
    gossip::packets packets(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_packets_t *made = nullptr;
        fail.ok(gossip_packets(c_handle(), &made, fail.c_handle()));
        return gossip::packets(made);
    }

    /// The listeners that are open now.
    gossip::listeners listeners(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_listeners_t *made = nullptr;
        fail.ok(gossip_listeners(c_handle(), &made));
        return gossip::listeners(made);
    }

    /// The counters of the port, its listeners and its packet receiver.
    gossip::stats stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_stats_t *made = nullptr;
        fail.ok(gossip_stats(c_handle(), &made));
        return gossip::stats(made);
    }

    /// The metrics of port, listeners and pools as text for Prometheus, to be served as
    /// `text/plain; version=0.0.4; charset=utf-8`.
    std::string metrics_text(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        return detail::read_text(fail, [&](char *buf, std::size_t cap, std::size_t *len) {
            return gossip_metrics_text(c_handle(), buf, cap, len);
        });
    }

    /// Gives what it logs, up to `level`, to a function, in place of the one before; an empty
    /// function is nobody. It runs on one thread of the node, one record at a time, and nobody
    /// waits for it; what it throws is caught.
    ///
    /// Memory: the library keeps it until it is replaced or the node has ended. Errors:
    /// resource_limit.
    void set_log(log_level level, std::function<void(record)> sink, on_error fail GOSSIP_HPP_OR_THROW) const
    {
        if (!sink) {
            fail.ok(gossip_set_log(c_handle(), static_cast<std::int32_t>(level), nullptr, nullptr, nullptr, fail.c_handle()));
            return;
        }
        auto cell = std::make_unique<std::function<void(record)>>(std::move(sink));
        fail.ok(gossip_set_log(c_handle(), static_cast<std::int32_t>(level), log_record, cell.release(), free_log, fail.c_handle()));
    }

    /// How many records were delivered, and how many dropped because the function was too slow,
    /// or was taken away, or its level lowered, while they waited.
    gossip::stats log_stats(on_error fail GOSSIP_HPP_OR_THROW) const
    {
        gossip_stats_t *made = nullptr;
        fail.ok(gossip_log_stats(c_handle(), &made));
        return gossip::stats(made);
    }

private:
    bool open(const config &with, const gossip_fd_t *fds, std::size_t count, on_error &fail)
    {
        gossip_t *made = nullptr;
        gossip_status_t status = gossip_abi_check(GOSSIP_ABI_VERSION);
        if (!with)
            status = GOSSIP_ERR_NULL_ARG; // To C it would be the defaults.
        if (status == GOSSIP_OK)
            status = fds == nullptr ? gossip_new(with.c_handle(), &made, fail.c_handle())
                                    : gossip_new_with_sockets(with.c_handle(), fds, count, &made, fail.c_handle());
        reset(made);
        return fail.ok(status);
    }

    pool add(const pool_config &with, const gossip_delegate_t *table, on_error &fail) const
    {
        gossip_pool_t *made = nullptr;
        fail.ok(gossip_register_pool(c_handle(), with.c_handle(), table, &made, fail.c_handle()));
        return pool(made);
    }

    template <class Cell> pool add_delegate(const pool_config &with, std::unique_ptr<Cell> cell, on_error &fail) const
    {
        gossip_delegate_t table = detail::table_of(*cell);
        table.user_data = cell.release(); // `destroy` comes exactly once, also on a failure.
        return add(with, &table, fail);
    }

    static void log_record(void *user_data, const gossip_record_t *borrowed) noexcept
    {
        auto &sink = *static_cast<std::function<void(record)> *>(user_data);
#if GOSSIP_HPP_EXCEPTIONS
        try {
            sink(record(borrowed));
        } catch (...) {
            // A log is the last place to complain about a log.
        }
#else
        sink(record(borrowed));
#endif
    }

    static void free_log(void *user_data) noexcept { delete static_cast<std::function<void(record)> *>(user_data); }
};

/// The sockets that systemd passed, for `node`. `unset` removes its environment variables, so that
/// children do not take them for theirs.
///
/// Memory: yours. Threads: before there are others. Errors: not_found if nothing was passed,
/// config if a variable makes no sense.
inline std::vector<unique_fd> sockets_from_systemd(bool unset, on_error fail GOSSIP_HPP_OR_THROW)
{
    const auto fds = detail::read_list<gossip_fd_t>(fail, [&](gossip_fd_t *array, std::size_t cap, std::size_t *count) {
        return gossip_sockets_from_systemd(unset, array, cap, count, fail.c_handle());
    });
    std::vector<unique_fd> all;
    for (const gossip_fd_t fd : fds)
        all.emplace_back(fd);
    return all;
}

} // namespace GOSSIP_HPP_NAMESPACE
} // namespace gossip

#undef GOSSIP_HPP_OR_THROW
#undef GOSSIP_HPP_OR
#undef GOSSIP_HPP_NAMESPACE

#endif // GOSSIP_HPP
