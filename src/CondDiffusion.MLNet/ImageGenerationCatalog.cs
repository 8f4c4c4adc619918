using CondDiffusion.MLNet.Interop;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>What an <see cref="MLContext"/> offers for generating labelled images: <c>mlContext.ImageGeneration</c>.</summary>
public sealed class ImageGenerationCatalog
{
    internal ImageGenerationCatalog(MLContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Trainers = new(context);
    }

    /// <summary>The trainers.</summary>
    public ImageGenerationTrainers Trainers { get; }

    /// <summary>
    /// The same model, drawing in another way. It shares the weights, which stay until both models are disposed; saved, it has the new options.
    /// </summary>
    /// <typeparam name="T">The kind of model, which is also that of the result.</typeparam>
    /// <param name="model">
    /// A <see cref="ConditionalDiffusionTransformer"/>, or a chain with one or more of them, which may be inside inner chains; the chain's other
    /// transformers are taken over as they are.
    /// </param>
    /// <param name="options">How to draw.</param>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; there is guidance, and the model was trained without
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>; or the model draws no images. The message names every one that is.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public T WithSampling<T>(T model, SamplingOptions options)
        where T : class, ITransformer
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        var found = false;
        ITransformer Replace(ITransformer transformer)
        {
            if (transformer is not ConditionalDiffusionTransformer generator)
                return MLNetInternals.ReplaceInChain(transformer, Replace) ?? transformer;
            found = true;
            return generator.WithSampling(options);
        }

        var result = (T)Replace(model);
        return found ? result : throw new ArgumentException($"The model has no {nameof(ConditionalDiffusionTransformer)}.", nameof(model));
    }

    /// <summary>Creates trainers that learn to generate labelled images.</summary>
    public sealed class ImageGenerationTrainers
    {
        private readonly MLContext _context;

        internal ImageGenerationTrainers(MLContext context) => _context = context;

        /// <summary>Creates a trainer with default options, for grey images of 32 x 32 pixels.</summary>
        /// <param name="labelColumnName">The key column with each image's label.</param>
        /// <param name="featureColumnName">
        /// The column with the images: a float vector [1, 32, 32] in [-1, 1], as <see cref="TransformsExtensions.NormalizeImages"/> makes
        /// it, or an image column, which is then resized and scaled in the same way.
        /// </param>
        /// <param name="outputColumnName">The image column to generate.</param>
        /// <exception cref="ArgumentException">A column name is empty.</exception>
        public ConditionalDiffusionTrainer ConditionalDiffusion(
            string labelColumnName = "Label", string featureColumnName = "Pixels", string outputColumnName = "GeneratedImage") =>
            ConditionalDiffusion(new()
            {
                LabelColumnName = labelColumnName,
                FeatureColumnName = featureColumnName,
                OutputColumnName = outputColumnName,
            });

        /// <summary>Creates a trainer.</summary>
        /// <param name="options">Every choice, with its default.</param>
        /// <exception cref="ArgumentException">An option is out of its range; the message names every one that is.</exception>
        public ConditionalDiffusionTrainer ConditionalDiffusion(ConditionalDiffusionTrainer.Options options) => new(_context, options);
    }
}
