/* A written model reads back as the same graph: our sample, and the official models. */
#include "../folder.h"
#include "cases.h"
#include "onnx/onnx.h"
#include "same.h"
#include "sample.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static int set_up(void)
{
    assert_int_equal(make_folder(), 0);
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    return 0;
}

static void check_round(const onnx_model *m, const char *external)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *again;
    char why[300];
    CHECK_OK(onnx_write_file(m, path, external, &err), err);
    CHECK_OK(onnx_read_file(path, NULL, &again, &err), err);
    CHECK_OK(graph_verify(again->graph, &err), err);
    if (!same_model(m, again, why, sizeof why))
        fail_msg("%s", why);
    onnx_free(&again);
}

TEST(test_sample)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    bytes file = sample_model();
    CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
    check_round(m, NULL);
    check_round(m, "m.data");
    onnx_free(&m);
    b_free(&file);
}

static off_t size_of(const char *name)
{
    char full[200];
    struct stat st;
    snprintf(full, sizeof full, "%s/%s", folder, name);
    return stat(full, &st) == 0 ? st.st_size : -1;
}

TEST(test_external_file)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m, *again;
    bytes g = {0};
    float items[300];
    for (int i = 0; i < 300; i++)
        items[i] = (float)i;
    b_message(&g, GRAPH_INITIALIZER, b_floats("large", 300, items));
    b_message(&g, GRAPH_INITIALIZER, b_floats("larger", 299, items));
    b_message(&g, GRAPH_INITIALIZER, b_floats("small", 255, items));
    bytes file = b_model(8, g);
    CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
    check_round(m, "weights.bin");
    assert_int_equal(size_of("weights.bin"), 1216 + 1196);
    assert_true(size_of("m.onnx") < 1500);
    /* Overwrites the file that it is mapped from. */
    CHECK_OK(onnx_read_file(path, NULL, &again, &err), err);
    check_round(again, "weights.bin");
    onnx_free(&again);
    check_round(m, NULL);
    onnx_free(&m);
    b_free(&file);
}

/* Two versions of one domain, because of a function: the model imports one, and nodes of the other carry
   their version. */
TEST(test_versions_of_functions)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m, *again;
    bytes file = sample_model();
    CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
    CHECK_OK(onnx_write_file(m, path, NULL, &err), err);
    CHECK_OK(onnx_read_file(path, NULL, &again, &err), err);
    for (node_id i = 0; i < again->graph->n_nodes; i++)
        if (str_is(again->graph->nodes[i].name, "call/cast"))
            assert_int_equal(again->graph->nodes[i].version, 13);
    onnx_free(&again);
    onnx_free(&m);
    b_free(&file);
}

TEST(test_official)
{
    case_list cases = cases_find();
    if (cases.n == 0)
        CHECK_SKIP("$SIBYL_DATA and libonnx-testdata");
    for (size_t i = 0; i < cases.n; i++) {
        sib_error err = SIB_ERROR_INIT;
        onnx_model *m;
        if (onnx_read_file(cases.paths[i], NULL, &m, &err) != SIB_OK)
            fail_msg("%s", err.message);
        CHECK_OK(graph_verify(m->graph, &err), err);
        check_round(m, i % 2 ? NULL : "m.data");
        onnx_free(&m);
    }
    print_message("%zu models\n", cases.n);
    cases_free(&cases);
}

TEST_FIXTURE(set_up, drop_folder)
