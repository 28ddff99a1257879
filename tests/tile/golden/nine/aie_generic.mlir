// Whisper's log-mel features on 9 compute tiles: 26 frames a call, 3 in each element, depth 2.
"builtin.module"() ({
  "aie.device"() ({
    "func.func"() ({
    }) {function_type = (memref<3x400xi16>, memref<3x128xi16>, i32) -> (), link_with = "sibyl_tile.o", sym_name = "sibyl_tile_frame", sym_visibility = "private"} : () -> ()
    %tile_0_0 = "aie.tile"() {col = 0 : i32, row = 0 : i32} : () -> index
    %tile_0_1 = "aie.tile"() {col = 0 : i32, row = 1 : i32} : () -> index
    %tile_0_2 = "aie.tile"() {col = 0 : i32, row = 2 : i32} : () -> index
    %tile_0_3 = "aie.tile"() {col = 0 : i32, row = 3 : i32} : () -> index
    %tile_0_4 = "aie.tile"() {col = 0 : i32, row = 4 : i32} : () -> index
    %tile_1_0 = "aie.tile"() {col = 1 : i32, row = 0 : i32} : () -> index
    %tile_1_2 = "aie.tile"() {col = 1 : i32, row = 2 : i32} : () -> index
    %tile_1_3 = "aie.tile"() {col = 1 : i32, row = 3 : i32} : () -> index
    %tile_2_0 = "aie.tile"() {col = 2 : i32, row = 0 : i32} : () -> index
    %tile_2_2 = "aie.tile"() {col = 2 : i32, row = 2 : i32} : () -> index
    %tile_2_3 = "aie.tile"() {col = 2 : i32, row = 3 : i32} : () -> index
    %tile_3_0 = "aie.tile"() {col = 3 : i32, row = 0 : i32} : () -> index
    %tile_3_2 = "aie.tile"() {col = 3 : i32, row = 2 : i32} : () -> index
    %tile_3_3 = "aie.tile"() {col = 3 : i32, row = 3 : i32} : () -> index
    "aie.objectfifo"(%tile_0_0, %tile_0_1) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<9x400xi16>>, plio = false, sym_name = "in_0", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_1, %tile_0_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<9x128xi16>>, plio = false, sym_name = "out_0", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_1, %tile_0_2) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_0_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_2, %tile_0_1) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_0_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_1, %tile_0_3) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_0_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_3, %tile_0_1) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_0_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_1, %tile_0_4) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_0_4", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_0_4, %tile_0_1) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_0_4", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo.link"() {dst_offsets = [0, 1200, 2400], fifoIns = [@in_0], fifoOuts = [@in_0_2, @in_0_3, @in_0_4], src_offsets = []} : () -> ()
    "aie.objectfifo.link"() {dst_offsets = [], fifoIns = [@out_0_2, @out_0_3, @out_0_4], fifoOuts = [@out_0], src_offsets = [0, 384, 768]} : () -> ()
    "aie.objectfifo"(%tile_1_0, %tile_1_2) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_1_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_1_2, %tile_1_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_1_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_1_0, %tile_1_3) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_1_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_1_3, %tile_1_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_1_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_2_0, %tile_2_2) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_2_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_2_2, %tile_2_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_2_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_2_0, %tile_2_3) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_2_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_2_3, %tile_2_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_2_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_3_0, %tile_3_2) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_3_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_3_2, %tile_3_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_3_2", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_3_0, %tile_3_3) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x400xi16>>, plio = false, sym_name = "in_3_3", via_DMA = false} : (index, index) -> ()
    "aie.objectfifo"(%tile_3_3, %tile_3_0) {disable_synchronization = false, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<3x128xi16>>, plio = false, sym_name = "out_3_3", via_DMA = false} : (index, index) -> ()
    %core_0_2 = "aie.core"(%tile_0_2) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_0_2, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_0_2, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_0_2, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_0_2, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_0_3 = "aie.core"(%tile_0_3) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_0_3, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_0_3, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_0_3, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_0_3, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_0_4 = "aie.core"(%tile_0_4) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_0_4, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_0_4, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_0_4, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_0_4, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_1_2 = "aie.core"(%tile_1_2) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_1_2, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_1_2, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_1_2, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_1_2, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_1_3 = "aie.core"(%tile_1_3) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_1_3, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_1_3, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_1_3, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_1_3, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_2_2 = "aie.core"(%tile_2_2) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_2_2, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_2_2, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_2_2, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_2_2, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_2_3 = "aie.core"(%tile_2_3) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_2_3, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_2_3, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_2_3, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_2_3, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_3_2 = "aie.core"(%tile_3_2) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_3_2, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_3_2, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_3_2, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_3_2, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    %core_3_3 = "aie.core"(%tile_3_3) ({
      %c0 = "arith.constant"() {value = 0 : index} : () -> index
      %c1 = "arith.constant"() {value = 1 : index} : () -> index
      %rows = "arith.constant"() {value = 3 : index} : () -> index
      %forever = "arith.constant"() {value = 9223372036854775807 : index} : () -> index
      "scf.for"(%c0, %forever, %c1) ({
      ^bb0(%call: index):
        %pcm = "aie.objectfifo.acquire"() {objFifo_name = @in_3_3, port = 1 : i32, size = 1 : i32} : () -> memref<3x400xi16>
        %features = "aie.objectfifo.acquire"() {objFifo_name = @out_3_3, port = 0 : i32, size = 1 : i32} : () -> memref<3x128xi16>
        "scf.for"(%c0, %rows, %c1) ({
        ^bb0(%frame: index):
          %row = "arith.index_cast"(%frame) : (index) -> i32
          "func.call"(%pcm, %features, %row) {callee = @sibyl_tile_frame} : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
          "scf.yield"() : () -> ()
        }) : (index, index, index) -> ()
        "aie.objectfifo.release"() {objFifo_name = @in_3_3, port = 1 : i32, size = 1 : i32} : () -> ()
        "aie.objectfifo.release"() {objFifo_name = @out_3_3, port = 0 : i32, size = 1 : i32} : () -> ()
        "scf.yield"() : () -> ()
      }) : (index, index, index) -> ()
      "aie.end"() : () -> ()
    }) {stack_size = 3072 : i32} : (index) -> index
    "aie.runtime_sequence"() ({
    ^bb0(%samples: memref<4560xi16>, %results: memref<3456xi16>):
      "aiex.npu.dma_memcpy_nd"(%results) {id = 1 : i64, issue_token = true, metadata = @out_0, static_offsets = [0, 0, 0, 0], static_sizes = [1, 1, 9, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 3 : i64, issue_token = true, metadata = @out_1_2, static_offsets = [0, 0, 0, 1152], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 5 : i64, issue_token = true, metadata = @out_1_3, static_offsets = [0, 0, 0, 1536], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 7 : i64, issue_token = true, metadata = @out_2_2, static_offsets = [0, 0, 0, 1920], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 9 : i64, issue_token = true, metadata = @out_2_3, static_offsets = [0, 0, 0, 2304], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 11 : i64, issue_token = true, metadata = @out_3_2, static_offsets = [0, 0, 0, 2688], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%results) {id = 13 : i64, issue_token = true, metadata = @out_3_3, static_offsets = [0, 0, 0, 3072], static_sizes = [1, 1, 3, 128], static_strides = [0, 0, 128, 1]} : (memref<3456xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 0 : i64, issue_token = false, metadata = @in_0, static_offsets = [0, 0, 0, 0], static_sizes = [1, 1, 9, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 2 : i64, issue_token = false, metadata = @in_1_2, static_offsets = [0, 0, 0, 1440], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 4 : i64, issue_token = false, metadata = @in_1_3, static_offsets = [0, 0, 0, 1920], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 6 : i64, issue_token = false, metadata = @in_2_2, static_offsets = [0, 0, 0, 2400], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 8 : i64, issue_token = false, metadata = @in_2_3, static_offsets = [0, 0, 0, 2880], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 10 : i64, issue_token = false, metadata = @in_3_2, static_offsets = [0, 0, 0, 3360], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_memcpy_nd"(%samples) {id = 12 : i64, issue_token = false, metadata = @in_3_3, static_offsets = [0, 0, 0, 3840], static_sizes = [1, 1, 3, 400], static_strides = [0, 0, 160, 1]} : (memref<4560xi16>) -> ()
      "aiex.npu.dma_wait"() {symbol = @out_0} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_1_2} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_1_3} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_2_2} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_2_3} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_3_2} : () -> ()
      "aiex.npu.dma_wait"() {symbol = @out_3_3} : () -> ()
    }) : () -> ()
  }) {device = 4 : i32} : () -> ()
}) : () -> ()
