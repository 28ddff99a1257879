// Whisper's log-mel features on 1 compute tile: 10 frames a call, 10 in each element, depth 2.
"builtin.module"() ({
  "aie.device"() ({
    "func.func"() ({
    }) {function_type = (memref<10x400xi16>, memref<10x80xi8>, i32) -> (), sym_name = "sibyl_tile_frame", sym_visibility = "private"} : () -> ()
    %tile_0_0 = "aie.tile"() {col = 0 : i32, row = 0 : i32} : () -> index
    %tile_0_2 = "aie.tile"() {col = 0 : i32, row = 2 : i32} : () -> index
    "aie.objectfifo"(%tile_0_0, %tile_0_2) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<10x400xi16>>, plio = false, sym_name = "in_0_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_2, %tile_0_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<10x80xi8>>, plio = false, sym_name = "out_0_2", via_DMA = false} : (index, index) -> ()
    %core_0_2 = "aie.core"(%tile_0_2) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 10 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm_view = "aie.objectfifo.acquire"() {objFifo_name = @in_0_2, port = 1 : i32, size = 1 : i32} : () -> !aie.objectfifosubview<memref<10x400xi16>>
        %pcm = "aie.objectfifo.subview.access"(%pcm_view) {index = 0 : i32} : (!aie.objectfifosubview<memref<10x400xi16>>) -> memref<10x400xi16>
        %features_view = "aie.objectfifo.acquire"() {objFifo_name = @out_0_2, port = 0 : i32, size = 1 : i32} : () -> !aie.objectfifosubview<memref<10x80xi8>>
        %features = "aie.objectfifo.subview.access"(%features_view) {index = 0 : i32} : (!aie.objectfifosubview<memref<10x80xi8>>) -> memref<10x80xi8>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<10x400xi16>, memref<10x80xi8>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_0_2, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_0_2, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {link_with = "sibyl_tile.o", stack_size = 3328 : i32} : (index) -> index
    "aiex.runtime_sequence"() ({
    ^bb0(%samples: memref<1840xi16>, %results: memref<800xi8>):
      "aiex.npu.dma_memcpy_nd"(%results) {id = 1 : i64, issue_token = true, metadata = @out_0_2, static_offsets = [0, 0, 0, 0], static_sizes = [1, 1, 10, 80], static_strides = [0, 0, 80, 1]} : (memref<800xi8>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 0 : i64, issue_token = false, metadata = @in_0_2, static_offsets = [0, 0, 0, 0], static_sizes = [1, 1, 10, 400], static_strides = [0, 0, 160, 1]} : (memref<1840xi16>) -> ()
      "aiex.npu.dma_wait"() {symbol = @out_0_2} : () -> ()
    }) : () -> ()
  }) {device = 4 : i32} : () -> ()
}) : () -> ()
