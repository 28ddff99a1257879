// Whisper's log-mel features on 1 compute tile: 10 frames a call, 10 in each element, depth 2.
module {
  aie.device(npu1) {
    func.func private @sibyl_tile_frame(memref<10x400xi16>, memref<10x80xi8>, i32)
    %tile_0_0 = aie.tile(0, 0)
    %tile_0_2 = aie.tile(0, 2)
    aie.objectfifo @in_0_2(%tile_0_0, {%tile_0_2}, 2 : i32) : !aie.objectfifo<memref<10x400xi16>>
    aie.objectfifo @out_0_2(%tile_0_2, {%tile_0_0}, 2 : i32) : !aie.objectfifo<memref<10x80xi8>>
    %core_0_2 = aie.core(%tile_0_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %rows = arith.constant 10 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %call = %c0 to %forever step %c1 {
        %pcm_view = aie.objectfifo.acquire @in_0_2(Consume, 1) : !aie.objectfifosubview<memref<10x400xi16>>
        %pcm = aie.objectfifo.subview.access %pcm_view[0] : !aie.objectfifosubview<memref<10x400xi16>> -> memref<10x400xi16>
        %features_view = aie.objectfifo.acquire @out_0_2(Produce, 1) : !aie.objectfifosubview<memref<10x80xi8>>
        %features = aie.objectfifo.subview.access %features_view[0] : !aie.objectfifosubview<memref<10x80xi8>> -> memref<10x80xi8>
        scf.for %frame = %c0 to %rows step %c1 {
          %row = arith.index_cast %frame : index to i32
          func.call @sibyl_tile_frame(%pcm, %features, %row) : (memref<10x400xi16>, memref<10x80xi8>, i32) -> ()
        }
        aie.objectfifo.release @in_0_2(Consume, 1)
        aie.objectfifo.release @out_0_2(Produce, 1)
      }
      aie.end
    } {link_with = "sibyl_tile.o", stack_size = 3328 : i32}
    aiex.runtime_sequence(%samples: memref<1840xi16>, %results: memref<800xi8>) {
      aiex.npu.dma_memcpy_nd(%results[0, 0, 0, 0][1, 1, 10, 80][0, 0, 80, 1]) {id = 1 : i64, metadata = @out_0_2, issue_token = true} : memref<800xi8>
      aiex.npu.dma_memcpy_nd(%samples[0, 0, 0, 0][1, 1, 10, 400][0, 0, 160, 1]) {id = 0 : i64, metadata = @in_0_2} : memref<1840xi16>
      aiex.npu.dma_wait {symbol = @out_0_2}
    }
  }
}
