/* Plug-ins: loaded, and refused by name. */
#include "own.h"

#include "check_memory.h"

#include <dlfcn.h>

static const char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/plugin_%s.so", PLUGINS, name);
    return path;
}

TEST(operators_of_a_plugin)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = own_registry(NULL);
    CHECK_OK(sib_plugin_load(r, path_of("good"), &err), err);
    assert_string_equal(sib_registry_operator(r, 0), "my.dom:Twice");
    tiny t = own_single("Twice", "N");
    sib_session *s = own_session(&t, r, NULL);
    own_expect(s, 2, OF(1, 2), 2, OF(2, 4));
    sib_session_free(&s);
}

TEST(refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = own_registry(NULL);
    CHECK_FAILS(sib_plugin_load(r, path_of("missing"), &err), SIB_ERR_IO, err, "plugin_missing.so");
    CHECK_FAILS(sib_plugin_load(r, "no_folder.so", &err), SIB_ERR_IO, err, "./no_folder.so");
    CHECK_FAILS(sib_plugin_load(r, path_of("no_plugin"), &err), SIB_ERR_FORMAT, err,
                "is no plug-in of Sibyl: it has no sibyl_plugin_abi");
    CHECK_FAILS(sib_plugin_load(r, path_of("other_abi"), &err), SIB_ERR_FORMAT, err,
                "is built for version 3 of the plug-in interface, this library has version 2");
    CHECK_FAILS(sib_plugin_load(r, path_of("failing"), &err), SIB_ERR_ARGUMENT, err,
                "plugin_failing.so: operator my.dom:Nothing has neither run and lower");
    CHECK_FAILS(sib_plugin_load(NULL, path_of("good"), &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_plugin_load(r, NULL, &err), SIB_ERR_ARGUMENT, err, "NULL");
    assert_null(sib_registry_operator(r, 0));
    sib_registry_free(&r);
}

static sib_code load(sib_registry **r, sib_error *err)
{
    sib_code code = sib_registry_create(r, err);
    if (code == SIB_OK)
        code = sib_plugin_load(*r, path_of("good"), err);
    if (code != SIB_OK)
        sib_registry_free(r);
    return code;
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_EVERY_ALLOCATION(load(&r, &err), sib_registry_free(&r));
    assert_null(dlopen(path_of("good"), RTLD_LAZY | RTLD_NOLOAD)); /* closed with its registry */
}
