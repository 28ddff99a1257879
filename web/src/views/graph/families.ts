// Families of operators, which share a colour.
import type { Node } from "../../api/types";

const members = {
  product: "Conv ConvTranspose ConvInteger QLinearConv MatMul MatMulInteger QLinearMatMul Gemm Einsum Attention LSTM GRU RNN STFT DFT FusedMatMul",
  activation: "Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Mish Tanh Softmax LogSoftmax Softplus Softsign Erf Clip Swish Silu",
  normal: "BatchNormalization LayerNormalization GroupNormalization InstanceNormalization RMSNormalization LpNormalization LRN MeanVarianceNormalization SkipLayerNormalization",
  shape:
    "Reshape Transpose Squeeze Unsqueeze Concat Split Slice Gather GatherND GatherElements Scatter ScatterND ScatterElements Expand Tile Pad Flatten Shape Size Cast Identity Resize DepthToSpace SpaceToDepth Constant ConstantOfShape Range Where NonZero Trilu Col2Im",
  reduce: "MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare ArgMax ArgMin TopK CumSum",
  control: "If Loop Scan SequenceMap",
  quantize: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
} as const;

export type Family = keyof typeof members | "other" | "value" | "group";

const families = new Map<string, Family>();
for (const [family, types] of Object.entries(members)) for (const type of types.split(" ")) families.set(type, family as Family);

export const familyOfType = (type: string): Family => families.get(type) ?? "other";
export const familyOf = (node: Node): Family => familyOfType(node.type);
