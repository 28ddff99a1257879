# validation.sh PROGRAM...: tests on Vulkan under its validation layer, with checks of synchronisation, which must report nothing.
ls /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json >/dev/null 2>&1 || {
  echo "vulkan-validationlayers is missing"
  exit 77
}
export SIBYL_TEST_GPU=vulkan SIBYL_TEST_GPU_BACKEND=vulkan
export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
for program; do
  said=$("$program" 2>&1)
  code=$?
  [ $code = 0 ] || {
    echo "$said"
    exit $code
  }
  if echo "$said" | grep -E "Validation (Error|Warning)|VUID|SYNC-HAZARD"; then exit 1; fi
done
