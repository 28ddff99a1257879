// Whisper's log-mel features on 9 compute tiles: 26 frames a call, 3 in each element, depth 2.
module {
  aie.device(npu1) {
    func.func private @sibyl_tile_frame(memref<3x400xi16>, memref<3x128xi16>, i32) attributes {link_with = "sibyl_tile.o"}
    %tile_0_0 = aie.tile(0, 0)
    %tile_0_1 = aie.tile(0, 1)
    %tile_0_2 = aie.tile(0, 2)
    %tile_0_3 = aie.tile(0, 3)
    %tile_0_4 = aie.tile(0, 4)
    %tile_1_0 = aie.tile(1, 0)
    %tile_1_2 = aie.tile(1, 2)
    %tile_1_3 = aie.tile(1, 3)
    %tile_2_0 = aie.tile(2, 0)
    %tile_2_2 = aie.tile(2, 2)
    %tile_2_3 = aie.tile(2, 3)
    %tile_3_0 = aie.tile(3, 0)
    %tile_3_2 = aie.tile(3, 2)
    %tile_3_3 = aie.tile(3, 3)
    aie.objectfifo @in_0(%tile_0_0, {%tile_0_1}, 2 : i32) : !aie.objectfifo<memref<9x400xi16>>
    aie.objectfifo @out_0(%tile_0_1, {%tile_0_0}, 2 : i32) : !aie.objectfifo<memref<9x128xi16>>
    aie.objectfifo @in_0_2(%tile_0_1, {%tile_0_2}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_0_2(%tile_0_2, {%tile_0_1}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_0_3(%tile_0_1, {%tile_0_3}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_0_3(%tile_0_3, {%tile_0_1}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_0_4(%tile_0_1, {%tile_0_4}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_0_4(%tile_0_4, {%tile_0_1}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo.link [@in_0] -> [@in_0_2, @in_0_3, @in_0_4]([] [0, 1200, 2400])
    aie.objectfifo.link [@out_0_2, @out_0_3, @out_0_4] -> [@out_0]([0, 384, 768] [])
    aie.objectfifo @in_1_2(%tile_1_0, {%tile_1_2}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_1_2(%tile_1_2, {%tile_1_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_1_3(%tile_1_0, {%tile_1_3}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_1_3(%tile_1_3, {%tile_1_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_2_2(%tile_2_0, {%tile_2_2}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_2_2(%tile_2_2, {%tile_2_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_2_3(%tile_2_0, {%tile_2_3}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_2_3(%tile_2_3, {%tile_2_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_3_2(%tile_3_0, {%tile_3_2}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_3_2(%tile_3_2, {%tile_3_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    aie.objectfifo @in_3_3(%tile_3_0, {%tile_3_3}, 2 : i32) : !aie.objectfifo<memref<3x400xi16>>
    aie.objectfifo @out_3_3(%tile_3_3, {%tile_3_0}, 2 : i32) : !aie.objectfifo<memref<3x128xi16>>
    %core_0_2 = aie.core(%tile_0_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_0_2(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_0_2(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_0_2(Consume, 1)
        aie.objectfifo.release @out_0_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_0_3 = aie.core(%tile_0_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_0_3(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_0_3(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_0_3(Consume, 1)
        aie.objectfifo.release @out_0_3(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_0_4 = aie.core(%tile_0_4) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_0_4(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_0_4(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_0_4(Consume, 1)
        aie.objectfifo.release @out_0_4(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_1_2 = aie.core(%tile_1_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_1_2(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_1_2(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_1_2(Consume, 1)
        aie.objectfifo.release @out_1_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_1_3 = aie.core(%tile_1_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_1_3(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_1_3(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_1_3(Consume, 1)
        aie.objectfifo.release @out_1_3(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_2_2 = aie.core(%tile_2_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_2_2(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_2_2(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_2_2(Consume, 1)
        aie.objectfifo.release @out_2_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_2_3 = aie.core(%tile_2_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_2_3(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_2_3(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_2_3(Consume, 1)
        aie.objectfifo.release @out_2_3(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_3_2 = aie.core(%tile_3_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_3_2(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_3_2(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_3_2(Consume, 1)
        aie.objectfifo.release @out_3_2(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    %core_3_3 = aie.core(%tile_3_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 3 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm = aie.objectfifo.acquire @in_3_3(Consume, 1) : memref<3x400xi16>
        %features = aie.objectfifo.acquire @out_3_3(Produce, 1) : memref<3x128xi16>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<3x400xi16>, memref<3x128xi16>, i32) -> ()
        }
        aie.objectfifo.release @in_3_3(Consume, 1)
        aie.objectfifo.release @out_3_3(Produce, 1)
      }
      aie.end
    } {stack_size = 3072 : i32}
    aie.runtime_sequence(%samples: memref<4560xi16>, %results: memref<3456xi16>) {
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 0][1, 1, 9, 128][0, 0, 128, 1]) {id = 1 : i64, metadata = @out_0, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 1152][1, 1, 3, 128][0, 0, 128, 1]) {id = 3 : i64, metadata = @out_1_2, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 1536][1, 1, 3, 128][0, 0, 128, 1]) {id = 5 : i64, metadata = @out_1_3, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 1920][1, 1, 3, 128][0, 0, 128, 1]) {id = 7 : i64, metadata = @out_2_2, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 2304][1, 1, 3, 128][0, 0, 128, 1]) {id = 9 : i64, metadata = @out_2_3, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 2688][1, 1, 3, 128][0, 0, 128, 1]) {id = 11 : i64, metadata = @out_3_2, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 3072][1, 1, 3, 128][0, 0, 128, 1]) {id = 13 : i64, metadata = @out_3_3, issue_token = true} : memref<3456xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 0][1, 1, 9, 400][0, 0, 160, 1]) {id = 0 : i64, metadata = @in_0} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 1440][1, 1, 3, 400][0, 0, 160, 1]) {id = 2 : i64, metadata = @in_1_2} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 1920][1, 1, 3, 400][0, 0, 160, 1]) {id = 4 : i64, metadata = @in_1_3} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 2400][1, 1, 3, 400][0, 0, 160, 1]) {id = 6 : i64, metadata = @in_2_2} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 2880][1, 1, 3, 400][0, 0, 160, 1]) {id = 8 : i64, metadata = @in_2_3} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 3360][1, 1, 3, 400][0, 0, 160, 1]) {id = 10 : i64, metadata = @in_3_2} : memref<4560xi16>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 3840][1, 1, 3, 400][0, 0, 160, 1]) {id = 12 : i64, metadata = @in_3_3} : memref<4560xi16>
      aiex.npu.dma_wait {symbol = @out_0}
      aiex.npu.dma_wait {symbol = @out_1_2}
      aiex.npu.dma_wait {symbol = @out_1_3}
      aiex.npu.dma_wait {symbol = @out_2_2}
      aiex.npu.dma_wait {symbol = @out_2_3}
      aiex.npu.dma_wait {symbol = @out_3_2}
      aiex.npu.dma_wait {symbol = @out_3_3}
    }
  }
}
