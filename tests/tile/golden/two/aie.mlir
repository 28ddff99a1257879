// Whisper's log-mel features on 2 compute tiles: 7 frames a call, 4 in each element, depth 1.
module {
  aie.device(npu1) {
    func.func private @sibyl_tile_frame(memref<4x400xi16>, memref<4x80xi8>, i32) attributes {link_with = "sibyl_tile.o"}
    %tile_0_0 = aie.tile(0, 0)
    %tile_0_2 = aie.tile(0, 2)
    %tile_1_0 = aie.tile(1, 0)
    %tile_1_2 = aie.tile(1, 2)
    aie.objectfifo @in_0_2(%tile_0_0, {%tile_0_2}, 1 : i32) : !aie.objectfifo<memref<4x400xi16>>
    aie.objectfifo @out_0_2(%tile_0_2, {%tile_0_0}, 1 : i32) : !aie.objectfifo<memref<4x80xi8>>
    aie.objectfifo @in_1_2(%tile_1_0, {%tile_1_2}, 1 : i32) : !aie.objectfifo<memref<4x400xi16>>
    aie.objectfifo @out_1_2(%tile_1_2, {%tile_1_0}, 1 : i32) : !aie.objectfifo<memref<4x80xi8>>
    %core_0_2 = aie.core(%tile_0_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 4 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_0_2(Consume, 1) : memref<4x400xi16>
        %features = aie.objectfifo.acquire @out_0_2(Produce, 1) : memref<4x80xi8>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<4x400xi16>, memref<4x80xi8>, i32) -> ()
        }
        aie.objectfifo.release @in_0_2(Consume, 1)
        aie.objectfifo.release @out_0_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3328 : i32}
    %core_1_2 = aie.core(%tile_1_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 4 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_1_2(Consume, 1) : memref<4x400xi16>
        %features = aie.objectfifo.acquire @out_1_2(Produce, 1) : memref<4x80xi8>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<4x400xi16>, memref<4x80xi8>, i32) -> ()
        }
        aie.objectfifo.release @in_1_2(Consume, 1)
        aie.objectfifo.release @out_1_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3328 : i32}
    aie.runtime_sequence(%samples: memref<1520xi16>, %results: memref<640xi8>) {
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 0][1, 1, 4, 80][0, 0, 80, 1]) {id = 1 : i64, metadata = @out_0_2, issue_token = true} : memref<640xi8>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 320][1, 1, 4, 80][0, 0, 80, 1]) {id = 3 : i64, metadata = @out_1_2, issue_token = true} : memref<640xi8>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 0][1, 1, 4, 400][0, 0, 160, 1]) {id = 0 : i64, metadata = @in_0_2} : memref<1520xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 640][1, 1, 4, 400][0, 0, 160, 1]) {id = 2 : i64, metadata = @in_1_2} : memref<1520xi16>
      aiex.npu.dma_wait {symbol = @out_0_2}
      aiex.npu.dma_wait {symbol = @out_1_2}
    }
  }
}
