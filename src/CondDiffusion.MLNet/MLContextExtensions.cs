using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>Adds this library's catalog to <see cref="MLContext"/>.</summary>
public static class MLContextExtensions
{
    extension(MLContext context)
    {
        /// <summary>Gets the catalog of trainers and operations for generating labelled images.</summary>
        public ImageGenerationCatalog ImageGeneration => new(context);
    }
}
