using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// What turns the noise, the label and the transform of an image into the embedding v that the blocks of a U-Net take.
/// </summary>
/// <param name="TakesNoiseLevel"><see cref="UNetForm.TakesNoiseLevel"/>.</param>
/// <param name="Labels">The label embedding table, (labels, D).</param>
/// <param name="Transform">
/// The layer that takes in how an image was transformed, (D, 5), which has no bias: no transform is zeros, and adds
/// nothing (Karras et al. 2022, arXiv 2206.00364, appendix F.2). Null for none.
/// </param>
/// <param name="Shared">The layers that the blocks share, each with a SiLU after it; null for none.</param>
internal sealed record EmbeddingWeights(bool TakesNoiseLevel, Tensor Labels, Tensor? Transform, MlpWeights? Shared)
    : IDisposable
{
    /// <summary>Returns the encodings of noises.</summary>
    /// <param name="noise">The noise of each image, (B).</param>
    /// <returns>(B, D).</returns>
    public Tensor EncodeNoise(Tensor noise)
    {
        var size = (int)Labels.shape[1];
        return TakesNoiseLevel ? NoiseLevelEmbedding.Encode(noise, size) : TimestepEmbedding.Encode(noise, size);
    }

    /// <summary>Returns the embedding of a noise, a label and a transform.</summary>
    /// <param name="noise">The encoding of the noise, (B, D).</param>
    /// <param name="label">The embedding of the label, (B, D) or (D).</param>
    /// <param name="transform">How each image was transformed, (B, 5); null for not at all.</param>
    /// <returns>v, (B, D).</returns>
    public Tensor Combine(Tensor noise, Tensor label, Tensor? transform = null)
    {
        using var scope = NewDisposeScope();
        var v = noise.Plus(label);
        if (Transform is not null && transform is not null)
            v = v.Plus(functional.linear(transform, Transform));

        if (Shared is not { } shared) return v.MoveToOuterDisposeScope();

        v = functional.silu(shared.First.Forward(v));
        return functional.silu(shared.Second.Forward(v)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Returns the same tensors, which live until they are disposed, but for the layer of the transform: images that
    /// are generated have none.
    /// </summary>
    public EmbeddingWeights Keep() => this with
    {
        Labels = Labels.DetachFromDisposeScope(),
        Transform = null,
        Shared = Shared is var (first, second) ? new(first.Keep(), second.Keep()) : null,
    };

    public void Dispose()
    {
        Labels.Dispose();
        Transform?.Dispose();
        Shared?.Dispose();
    }
}
