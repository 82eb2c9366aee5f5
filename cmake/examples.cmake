# The examples in C and C++, each a program of its name; with GOSSIP_TESTS also what ctest runs.
find_package(Threads REQUIRED)
file(GLOB gossip_examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/c/*.c")
file(GLOB gossip_examples_cpp CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/cpp/*.cpp")
if(gossip_examples_cpp)
    enable_language(CXX)
endif()
foreach(source IN LISTS gossip_examples gossip_examples_cpp)
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(folder "${source}" DIRECTORY)
    get_filename_component(language "${folder}" NAME)
    add_executable(gossip-example-${language}-${name} "${source}")
    set_target_properties(gossip-example-${language}-${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples/${language}" C_STANDARD 99 CXX_STANDARD 17)
    target_link_libraries(gossip-example-${language}-${name} PRIVATE gossip::gossip Threads::Threads)
endforeach()

if(GOSSIP_TESTS)
    enable_testing()
    find_program(GOSSIP_PYTHON python3 DOC "Runs the tests of the installed tree")
    add_test(NAME gossip-examples
        COMMAND "${GOSSIP_PYTHON}" tests/install/examples.py "${PROJECT_BINARY_DIR}/examples"
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    # It looks for the library where most systems have it.
    if(GOSSIP_INSTALL AND CMAKE_INSTALL_LIBDIR STREQUAL lib)
        add_test(NAME gossip-install
            COMMAND "${GOSSIP_PYTHON}" tests/install/install.py "${PROJECT_BINARY_DIR}"
            WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    endif()
endif()
