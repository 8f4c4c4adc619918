using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>Emits a block of a U-Net.</summary>
/// <param name="layers">Emits the layers.</param>
/// <param name="place">The place of the block.</param>
/// <param name="x">Its input, resized and joined, (B, Cin, H, W).</param>
/// <param name="v">The time and label embedding, (B, D).</param>
/// <returns>Its output, (B, Cout, H, W).</returns>
internal delegate string EmitBlock(LayerEmitter layers, BlockPlace place, string x, string v);
