# validation.sh PROGRAM...: tests on Vulkan under its validation layer, which must report nothing: with checks of synchronisation;
# of the first program also with checks of what kernels access while they run.
ls /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json >/dev/null 2>&1 || {
  echo "vulkan-validationlayers is missing"
  exit 77
}
export SIBYL_TEST_GPU=vulkan SIBYL_TEST_GPU_BACKEND=vulkan VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation

# check CHECKS PROGRAM
check() {
  said=$(VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_$1_EXT "$2" 2>&1)
  code=$?
  [ $code = 0 ] || {
    echo "$said"
    exit $code
  }
  if echo "$said" | grep -E "Validation (Error|Warning)|VUID|SYNC-HAZARD|UNASSIGNED"; then exit 1; fi
}
for program; do check SYNCHRONIZATION_VALIDATION "$program"; done
check GPU_ASSISTED "$1"
