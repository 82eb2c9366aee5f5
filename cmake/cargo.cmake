# Has cargo build libgossip, and puts what it made under the names that are linked and loaded.
#
# Sets gossip_shared, gossip_static: the files; gossip_soname, gossip_links: the shared library's
# other names; gossip_system_libs: what a program with the static library links besides.

set(gossip_target_dir "${GOSSIP_TARGET_DIR}")
if(NOT gossip_target_dir)
    set(gossip_target_dir "$ENV{CARGO_TARGET_DIR}")
endif()
if(NOT gossip_target_dir)
    set(gossip_target_dir "${PROJECT_BINARY_DIR}/cargo")
endif()
get_filename_component(gossip_target_dir "${gossip_target_dir}" ABSOLUTE)

set(gossip_flags --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" --package gossip-ffi --lib --locked
    --profile "${GOSSIP_PROFILE}" --target-dir "${gossip_target_dir}")
if(GOSSIP_OFFLINE)
    list(APPEND gossip_flags --offline)
endif()
set(gossip_made "${gossip_target_dir}")
if(GOSSIP_RUST_TARGET)
    list(APPEND gossip_flags --target "${GOSSIP_RUST_TARGET}")
    string(APPEND gossip_made "/${GOSSIP_RUST_TARGET}")
endif()
if(GOSSIP_PROFILE STREQUAL dev)
    string(APPEND gossip_made "/debug")
else()
    string(APPEND gossip_made "/${GOSSIP_PROFILE}")
endif()
set(gossip_made_shared "${gossip_made}/${CMAKE_SHARED_LIBRARY_PREFIX}gossip${CMAKE_SHARED_LIBRARY_SUFFIX}")
set(gossip_made_static "${gossip_made}/${CMAKE_STATIC_LIBRARY_PREFIX}gossip${CMAKE_STATIC_LIBRARY_SUFFIX}")

# Runs in every build: cargo knows what is stale.
add_custom_target(gossip-cargo
    COMMAND "${GOSSIP_CARGO}" build ${gossip_flags}
    BYPRODUCTS "${gossip_made_shared}" "${gossip_made_static}"
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "Building libgossip ${PROJECT_VERSION} (cargo, ${GOSSIP_PROFILE})"
    VERBATIM USES_TERMINAL)

set(gossip_lib "${PROJECT_BINARY_DIR}/lib")
file(MAKE_DIRECTORY "${gossip_lib}")

if(GOSSIP_SHARED)
    get_filename_component(gossip_name "${gossip_made_shared}" NAME)
    if(CMAKE_SYSTEM_NAME STREQUAL Linux)
        # Before 1.0 a minor version may break programs, so it is part of the name (gossip-ffi/build.rs).
        set(gossip_soname "${gossip_name}.${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
        set(gossip_shared "${gossip_lib}/${gossip_name}.${PROJECT_VERSION}")
        set(gossip_links "${gossip_lib}/${gossip_soname}" "${gossip_lib}/${gossip_name}")
        set(gossip_make_links
            COMMAND "${CMAKE_COMMAND}" -E create_symlink "${gossip_name}.${PROJECT_VERSION}" "${gossip_soname}"
            COMMAND "${CMAKE_COMMAND}" -E create_symlink "${gossip_soname}" "${gossip_name}")
    else()
        set(gossip_soname "${gossip_name}")
        set(gossip_shared "${gossip_lib}/${gossip_name}")
        set(gossip_links "")
        set(gossip_make_links "")
    endif()
    add_custom_command(OUTPUT "${gossip_shared}" ${gossip_links}
        COMMAND "${CMAKE_COMMAND}" -E copy "${gossip_made_shared}" "${gossip_shared}"
        ${gossip_make_links}
        DEPENDS gossip-cargo "${gossip_made_shared}"
        WORKING_DIRECTORY "${gossip_lib}" VERBATIM)
    add_custom_target(gossip-shared ALL DEPENDS "${gossip_shared}")
endif()

if(GOSSIP_STATIC)
    get_filename_component(gossip_name "${gossip_made_static}" NAME)
    set(gossip_static "${gossip_lib}/${gossip_name}")
    add_custom_command(OUTPUT "${gossip_static}"
        COMMAND "${CMAKE_COMMAND}" "-DFROM=${gossip_made_static}" "-DTO=${gossip_static}" "-DLD=${CMAKE_LINKER}"
            "-DHEADER=${PROJECT_SOURCE_DIR}/include/gossip/gossip.h" "-DOBJCOPY=${CMAKE_OBJCOPY}" "-DAR=${CMAKE_AR}"
            -P "${CMAKE_CURRENT_LIST_DIR}/hide.cmake"
        DEPENDS gossip-cargo "${gossip_made_static}" "${CMAKE_CURRENT_LIST_DIR}/hide.cmake"
        VERBATIM)
    add_custom_target(gossip-static ALL DEPENDS "${gossip_static}")

    # The compiler knows what its standard library needs; no crate of ours needs more, which the
    # programs that tests/install links would show.
    set(gossip_target_flag "")
    if(GOSSIP_RUST_TARGET)
        set(gossip_target_flag --target "${GOSSIP_RUST_TARGET}")
    endif()
    get_filename_component(gossip_cargo_dir "${GOSSIP_CARGO}" DIRECTORY)
    find_program(GOSSIP_RUSTC NAMES "$ENV{RUSTC}" rustc HINTS "${gossip_cargo_dir}" DOC "The compiler of GOSSIP_CARGO")
    file(WRITE "${PROJECT_BINARY_DIR}/empty.rs" "")
    execute_process(
        COMMAND "${GOSSIP_RUSTC}" empty.rs --crate-type staticlib --print native-static-libs ${gossip_target_flag}
        WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
        RESULT_VARIABLE gossip_failed ERROR_VARIABLE gossip_told)
    if(gossip_failed OR NOT gossip_told MATCHES "native-static-libs: ([^\n]*)")
        message(FATAL_ERROR "${GOSSIP_RUSTC} does not say which system libraries it needs:\n${gossip_told}")
    endif()
    string(STRIP "${CMAKE_MATCH_1}" gossip_system_libs)
    string(REPLACE " " ";" gossip_system_libs "${gossip_system_libs}")
endif()
