# Makes the archive FROM, which has thousands of global Rust symbols, into the archive TO, of one
# object whose only global symbols are those of the C interface: so that a program can link other
# Rust libraries beside this one, and can use none of its inner parts.
#
# What cannot be hidden is what it needs: symbols of the C library and of the unwinder. Linkers that
# can't do it, which GNU's can, leave the archive as it was; that is said.

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed ERROR_VARIABLE error)
    if(failed)
        string(REPLACE ";" " " command "${ARGN}")
        set(error "${command}: ${failed}\n${error}" PARENT_SCOPE)
    endif()
endfunction()

# The roots of what is kept are the functions of the header.
file(STRINGS "${HEADER}" lines REGEX "^(GOSSIP_API|[a-z]).*[ *]gossip_[a-z0-9_]+\\(")
string(REGEX MATCHALL "gossip_[a-z0-9_]+\\(" functions "${lines}")
string(REGEX REPLACE "([a-z0-9_]+)\\(;?" "-u \\1\n" roots "${functions}")
file(WRITE "${TO}.roots" "${roots}")
file(REMOVE "${TO}")

# Lines of source stay with the shared library: here they would be nine tenths of the archive, and
# end up in every program. The standard library's bitcode makes no sense for the whole.
set(error "")
run("${LD}" -r --gc-sections --strip-debug "@${TO}.roots" -o "${TO}.o" "${FROM}")
if(NOT error)
    run("${OBJCOPY}" --wildcard "--keep-global-symbol=gossip_*" --strip-unneeded "--remove-section=.llvm*" "${TO}.o")
endif()
if(NOT error)
    run("${AR}" rcsD "${TO}" "${TO}.o")
endif()
file(REMOVE "${TO}.o" "${TO}.roots")

if(error)
    message(WARNING "the Rust symbols in ${TO} stay visible\n${error}")
    configure_file("${FROM}" "${TO}" COPYONLY)
endif()
