#include "torch_files.h"

void k_ints(bytes *b, size_t n, const int64_t *v)
{
    f_u8(b, '(');
    for (size_t i = 0; i < n; i++) {
        f_u8(b, 0x8A);
        f_u8(b, 8);
        f_u64(b, (uint64_t)v[i]);
    }
    f_u8(b, 't');
}

void k_storage(bytes *b, const torch_tensor *t)
{
    f_u8(b, '(');
    k_text(b, "storage");
    k_global(b, "torch", t->storage_type);
    k_text(b, t->key);
    k_text(b, "cpu");
    f_u8(b, 0x8A);
    f_u8(b, 8);
    f_u64(b, (uint64_t)t->numel);
    if (t->view)
        f_u8(b, 'N');
    f_text(b, "tQ");
}

void k_tensor(bytes *b, const torch_tensor *t)
{
    k_global(b, "torch._utils", "_rebuild_tensor_v2");
    f_u8(b, '(');
    k_storage(b, t);
    f_u8(b, 0x8A);
    f_u8(b, 8);
    f_u64(b, (uint64_t)t->offset);
    k_ints(b, t->rank, t->dims);
    k_ints(b, t->rank, t->strides);
    f_u8(b, 0x89);
    k_global(b, "collections", "OrderedDict");
    f_text(b, ")RtR");
}

/* ---- Archives ------------------------------------------------------------------------------------- */

/* The sizes, and in the directory the offset. */
static void put_sizes(bytes *b, uint64_t packed, uint64_t size, bool wide)
{
    f_u32(b, wide ? UINT32_MAX : (uint32_t)packed);
    f_u32(b, wide ? UINT32_MAX : (uint32_t)size);
}

void zip_add(zip_writer *z, const char *name, const void *data, size_t n, const zip_lie *lie)
{
    static const zip_lie truth;
    lie = lie ? lie : &truth;
    const char *local = lie->local_name ? lie->local_name : name;
    uint64_t header = z->out.n + z->hole, local_size = lie->local_size ? lie->local_size : n;
    f_text(&z->out, "PK\3\4");
    f_u16(&z->out, 20);
    f_u16(&z->out, lie->flags);
    f_u16(&z->out, lie->method);
    f_zeros(&z->out, 8); /* time, date, checksum */
    put_sizes(&z->out, lie->flags & 8 ? 0 : local_size, lie->flags & 8 ? 0 : local_size, lie->wide);
    f_u16(&z->out, (unsigned)strlen(local));
    f_u16(&z->out, lie->wide ? 26 : 6); /* another field before it, such as PyTorch's padding */
    f_text(&z->out, local);
    f_text(&z->out, "FB");
    f_u16(&z->out, 2);
    f_text(&z->out, "ZZ");
    if (lie->wide) {
        f_u16(&z->out, 1);
        f_u16(&z->out, 16);
        f_u64(&z->out, local_size);
        f_u64(&z->out, local_size);
    }
    b_append(&z->out, data, n);
    bytes *d = &z->directory;
    f_text(d, "PK\1\2");
    f_u16(d, 20);
    f_u16(d, 20);
    f_u16(d, lie->flags);
    f_u16(d, lie->method);
    f_zeros(d, 8);
    uint64_t size = lie->size ? lie->size : n, packed = lie->packed ? lie->packed : size;
    put_sizes(d, packed, size, lie->wide);
    f_u16(d, (unsigned)strlen(name));
    f_u16(d, lie->wide ? 28 : 0);
    f_zeros(d, 10); /* comment, disk, attributes */
    f_u32(d, lie->wide ? UINT32_MAX : (uint32_t)(lie->header ? lie->header : header));
    f_text(d, name);
    if (lie->wide) {
        f_u16(d, 1);
        f_u16(d, 24);
        f_u64(d, size);
        f_u64(d, packed);
        f_u64(d, lie->header ? lie->header : header);
    }
    z->n++;
}

bytes zip_end(zip_writer *z, bool wide)
{
    bytes b = z->out;
    uint64_t begin = b.n + z->hole, size = z->directory.n;
    b_append(&b, z->directory.data, z->directory.n);
    if (wide) {
        uint64_t at = b.n + z->hole;
        f_text(&b, "PK\6\6");
        f_u64(&b, 44);
        f_u16(&b, 45);
        f_u16(&b, 45);
        f_zeros(&b, 8);
        f_u64(&b, z->n);
        f_u64(&b, z->n);
        f_u64(&b, size);
        f_u64(&b, begin);
        f_text(&b, "PK\6\7");
        f_u32(&b, 0);
        f_u64(&b, at);
        f_u32(&b, 1);
    }
    f_text(&b, "PK\5\6");
    f_zeros(&b, 4);
    f_u16(&b, wide ? 0xFFFF : z->n);
    f_u16(&b, wide ? 0xFFFF : z->n);
    f_u32(&b, wide ? UINT32_MAX : (uint32_t)size);
    f_u32(&b, wide ? UINT32_MAX : (uint32_t)begin);
    f_u16(&b, 0);
    b_free(&z->directory);
    *z = (zip_writer){0};
    return b;
}

static const float six[] = {1, 2, 3, 4, 5, 6};
static const uint16_t halves[] = {0x3C00, 0x4000, 0xC200, 0x0000}; /* 1, 2, -3, 0 */

bytes torch_archive(bytes pickle)
{
    zip_writer z = {0};
    zip_add(&z, "m/data.pkl", pickle.data, pickle.n, NULL);
    zip_add(&z, "m/byteorder", "little", 6, NULL);
    zip_add(&z, "m/data/0", six, sizeof six, NULL);
    zip_add(&z, "m/data/1", halves, sizeof halves, NULL);
    zip_add(&z, "m/version", "3\n", 2, NULL);
    b_free(&pickle);
    return zip_end(&z, false);
}

bytes torch_legacy(bytes object)
{
    static const uint8_t magic[] = {0x80, 2,    0x8A, 10,   0x6C, 0xFC, 0x9C, 0x46,
                                    0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, '.'};
    bytes b = {0};
    b_append(&b, magic, sizeof magic);
    b_append(&b, "\x80\x02M\xE9\x03.", 6);
    k_begin(&b);
    f_text(&b, "}(");
    k_text(&b, "little_endian");
    f_u8(&b, 0x88);
    f_text(&b, "u.");
    b_append(&b, object.data, object.n);
    b_free(&object);
    k_begin(&b);
    f_text(&b, "](");
    k_text(&b, "1");
    k_text(&b, "0");
    f_text(&b, "e.");
    f_u64(&b, 4);
    b_append(&b, halves, sizeof halves);
    f_u64(&b, 6);
    b_append(&b, six, sizeof six);
    return b;
}

bytes torch_sample_pickle(bool legacy)
{
    static const int64_t dims[] = {2, 3}, strides[] = {3, 1}, turned_dims[] = {3, 2}, turned[] = {1, 3},
                         two[] = {2}, one[] = {1};
    bytes b = {0};
    k_begin(&b);
    k_global(&b, "collections", "OrderedDict");
    f_text(&b, ")R(");
    k_text(&b, "a");
    k_tensor(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 2, dims, strides, legacy});
    k_text(&b, "t");
    k_tensor(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 2, turned_dims, turned, legacy});
    k_text(&b, "h");
    k_global(&b, "torch._utils", "_rebuild_parameter");
    f_u8(&b, '(');
    k_tensor(&b, &(torch_tensor){"HalfStorage", "1", 4, 1, 1, two, one, legacy});
    f_u8(&b, 0x88);
    k_global(&b, "collections", "OrderedDict");
    f_text(&b, ")RtR");
    k_text(&b, "n");
    k_int(&b, 3);
    k_text(&b, "s");
    k_text(&b, "text");
    k_text(&b, "d");
    f_u8(&b, '}');
    k_text(&b, "x");
    k_float(&b, 0.5);
    f_text(&b, "su}");
    k_text(&b, "_metadata");
    f_text(&b, "}sb.");
    return b;
}

static void k4_text(bytes *b, const char *text)
{
    f_u8(b, 0x8C);
    f_u8(b, (unsigned)strlen(text));
    f_text(b, text);
    f_u8(b, 0x94); /* MEMOIZE */
}

static void k4_global(bytes *b, const char *module, const char *name)
{
    k4_text(b, module);
    k4_text(b, name);
    f_u8(b, 0x93);
    f_u8(b, 0x94);
}

static void k4_tensor(bytes *b)
{
    static const int64_t six_dim[] = {6}, one[] = {1};
    k4_global(b, "torch._utils", "_rebuild_tensor_v3");
    f_text(b, "((");
    k4_text(b, "storage");
    k4_global(b, "torch.storage", "UntypedStorage");
    k4_text(b, "0");
    k4_text(b, "cpu");
    f_text(b, "K\x18tQK");
    f_u8(b, 0);
    k_ints(b, 1, six_dim);
    k_ints(b, 1, one);
    f_u8(b, 0x89);
    k4_global(b, "collections", "OrderedDict");
    f_text(b, ")R");
    k4_global(b, "torch", "float32");
    f_text(b, "tR");
}

bytes torch_sample_pickle_4(void)
{
    bytes b = {0};
    b_append(&b, "\x80\4\x95", 3);
    f_u64(&b, 1000);
    k4_global(&b, "collections", "OrderedDict");
    f_text(&b, "](](");
    k4_text(&b, "a");
    k4_tensor(&b);
    f_text(&b, "e](");
    k4_text(&b, "dev");
    k4_global(&b, "torch", "device");
    k4_text(&b, "cuda");
    b_append(&b, "K\0\x86Re](", 7);
    k4_text(&b, "size");
    k4_global(&b, "torch", "Size");
    b_append(&b, "K\4K\5\x86\x85Re](", 10);
    k4_text(&b, "long");
    b_append(&b,
             "\x8B\1\0\0\0\xFE"
             "e](",
             9);
    k4_text(&b, "big");
    b_append(&b,
             "\x8A\12\0\0\0\0\0\0\0\0\0\x40"
             "e](",
             15);
    k4_text(&b, "bytes");
    b_append(&b, "C\2xye](", 7);
    k4_text(&b, "flags");
    b_append(&b,
             "\x88\x89\x86"
             "e](",
             6);
    k4_text(&b, "mixed");
    b_append(&b, "](K\1\x8C\1bee](", 11);
    k4_text(&b, "none");
    f_text(&b, "Nee\x85R.");
    return b;
}
