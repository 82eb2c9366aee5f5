# Makes the archive FROM, which has thousands of global Rust symbols, into the archive TO, of one
# object whose only global symbols are those of the C interface: so that a program can link other
# Rust libraries beside this one, and can use none of its inner parts.
#
# What cannot be hidden is what it needs: symbols of the C library and of the unwinder.

foreach(tool IN ITEMS LD OBJCOPY AR)
    if(NOT ${tool})
        message(WARNING "no ${tool}: the Rust symbols in ${TO} stay visible")
        configure_file("${FROM}" "${TO}" COPYONLY)
        return()
    endif()
endforeach()

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed ERROR_VARIABLE error)
    if(failed)
        string(REPLACE ";" " " command "${ARGN}")
        message(FATAL_ERROR "${command}: ${failed}\n${error}")
    endif()
endfunction()

# The roots of what is kept are the functions of the header.
file(STRINGS "${HEADER}" lines REGEX "^(GOSSIP_API|[a-z]).*[ *]gossip_[a-z0-9_]+\\(")
string(REGEX MATCHALL "gossip_[a-z0-9_]+\\(" functions "${lines}")
string(REGEX REPLACE "([a-z0-9_]+)\\(;?" "-u \\1\n" roots "${functions}")
file(WRITE "${TO}.roots" "${roots}")

# Lines of source stay with the shared library: here they would be nine tenths of the archive, and
# end up in every program. The standard library's bitcode makes no sense for the whole.
run("${LD}" -r --gc-sections --strip-debug "@${TO}.roots" -o "${TO}.o" "${FROM}")
run("${OBJCOPY}" --wildcard "--keep-global-symbol=gossip_*" --strip-unneeded "--remove-section=.llvm*" "${TO}.o")
file(REMOVE "${TO}")
run("${AR}" rcsD "${TO}" "${TO}.o")
file(REMOVE "${TO}.o" "${TO}.roots")
