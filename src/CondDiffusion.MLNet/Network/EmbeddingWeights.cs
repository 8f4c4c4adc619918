using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>What turns the noise and the label into the embedding v that the blocks of a U-Net take.</summary>
/// <param name="TakesNoiseLevel"><see cref="UNetForm.TakesNoiseLevel"/>.</param>
/// <param name="Labels">The label embedding table, (labels, D).</param>
/// <param name="Shared">The layers that the blocks share, each with a SiLU after it; null for none.</param>
internal sealed record EmbeddingWeights(bool TakesNoiseLevel, Tensor Labels, MlpWeights? Shared) : IDisposable
{
    /// <summary>Returns the encodings of noises.</summary>
    /// <param name="noise">The noise of each image, (B).</param>
    /// <returns>(B, D).</returns>
    public Tensor EncodeNoise(Tensor noise)
    {
        var size = (int)Labels.shape[1];
        return TakesNoiseLevel ? NoiseLevelEmbedding.Encode(noise, size) : TimestepEmbedding.Encode(noise, size);
    }

    /// <summary>Returns the embedding of a noise and a label.</summary>
    /// <param name="noise">The encoding of the noise, (B, D).</param>
    /// <param name="label">The embedding of the label, (B, D) or (D).</param>
    /// <returns>v, (B, D).</returns>
    public Tensor Combine(Tensor noise, Tensor label)
    {
        var v = noise + label;
        if (Shared is not { } shared) return v;

        using var scope = NewDisposeScope();
        v = functional.silu(shared.First.Forward(v));
        return functional.silu(shared.Second.Forward(v)).MoveToOuterDisposeScope();
    }

    /// <summary>Returns the same tensors, which live until they are disposed.</summary>
    public EmbeddingWeights Keep() => this with
    {
        Labels = Labels.DetachFromDisposeScope(),
        Shared = Shared is var (first, second) ? new(first.Keep(), second.Keep()) : null,
    };

    public void Dispose()
    {
        Labels.Dispose();
        Shared?.Dispose();
    }
}
