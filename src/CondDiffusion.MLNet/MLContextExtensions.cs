using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>The entrance to this library from an <see cref="MLContext"/>.</summary>
public static class MLContextExtensions
{
    extension(MLContext context)
    {
        /// <summary>Trainers that learn to generate labelled images.</summary>
        public ImageGenerationCatalog ImageGeneration => new(context);
    }
}
