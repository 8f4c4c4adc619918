using CondDiffusion.MLNet.Augmentation;
using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>
/// Provides the trainers and operations for generating labelled images. Get it from an <see cref="MLContext"/>:
/// <c>mlContext.ImageGeneration</c>.
/// </summary>
public sealed class ImageGenerationCatalog
{
    private readonly MLContext _context;

    internal ImageGenerationCatalog(MLContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        Trainers = new(context);
    }

    /// <summary>Gets the trainers of image generation.</summary>
    public ImageGenerationTrainers Trainers { get; }

    internal MLContext Context => _context;

    /// <summary>
    /// Creates a copy of a model that generates with other sampling options. The model itself does not change.
    /// </summary>
    /// <remarks>
    /// The two models share their weights, which stay in memory until both are disposed. If the new model is saved, its
    /// file has the new options.
    /// </remarks>
    /// <typeparam name="T">The type of the model, and of the result.</typeparam>
    /// <param name="model">
    /// A <see cref="ConditionalDiffusionTransformer"/>, or a chain that contains one or more of them, also inside inner
    /// chains. The result uses the chain's other transformers as they are.
    /// </param>
    /// <param name="options">The new sampling options: sampler, number of steps, guidance and so on.</param>
    /// <returns>A model of the same type with the new options.</returns>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; the options ask for guidance, or for images without a label, but the model was
    /// trained without <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>; the model is distilled, and the
    /// options are not those of its steps; or the model does not generate images. The message lists every invalid
    /// option.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public T WithSampling<T>(T model, SamplingOptions options)
        where T : class, ITransformer
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);

        var made = new List<ConditionalDiffusionTransformer>();
        try
        {
            var result = (T)Replace(model);
            if (made.Count > 0) return result;
        }
        catch
        {
            foreach (var generator in made) generator.Dispose();
            throw;
        }

        throw new ArgumentException($"The model has no {nameof(ConditionalDiffusionTransformer)}.", nameof(model));

        ITransformer Replace(ITransformer transformer)
        {
            if (transformer is not ConditionalDiffusionTransformer generator)
                return MLNetInternals.ReplaceInChain(transformer, Replace) ?? transformer;

            made.Add(generator.WithSampling(options));
            return made[^1];
        }
    }

    /// <summary>Adds generated images to labelled ones, for labels that have too few.</summary>
    /// <remarks>
    /// <para>The view has the columns of the data, and one that says which rows are generated. Real rows are as they
    /// were. In a generated row, the label column and the image column have values, and every other column has a
    /// missing one: NaN, an empty text, the missing key, no image; for types of which ML.NET knows no missing value,
    /// it is their default: 0, false, the first day of the year 1.</para>
    /// <para>This method reads the labels once. An image is generated when it is read, in batches; reading the view
    /// twice generates twice. <see cref="ImageFolder.Save"/> keeps the images. They follow from the seed, whatever the
    /// batches. Rows whose label is missing stay as they are and are not counted.</para>
    /// </remarks>
    /// <param name="data">The real images and their labels.</param>
    /// <param name="model">
    /// A model that generates images of those labels, alone or in a chain. It must not be disposed before the view has
    /// been read.
    /// </param>
    /// <param name="options">How many images are added, and which ones are accepted; null for the defaults.</param>
    /// <returns>The real and the generated rows.</returns>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; a column is missing or of the wrong type; the model does not generate images,
    /// does not know a label, or cannot be guided; the classifier does not add its columns or does not know a label; or
    /// copies are to be refused and the data has fewer than two rows. The message says which. Reading the view throws
    /// an <see cref="InvalidOperationException"/> if all of the images that a row may be tried with are refused, if the
    /// classifier's scores are no probabilities, if copies are to be refused and fewer than two of the real images
    /// differ, or if the data has more or fewer rows than when its labels were read.
    /// </exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public IDataView Augment(IDataView data, ITransformer model, AugmentationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        return Augmenter.Augment(_context, data, model, options ?? new());
    }

    /// <summary>Measures how good generated images are, by feature vectors of them and of real images.</summary>
    /// <remarks>
    /// Each view is read once and its features are kept in memory in float32. Distances are computed in blocks: the
    /// memory does not grow with the number of pairs, and the time is linear in it (generated rows x real rows x
    /// features, and the squares of either).
    /// </remarks>
    /// <param name="generated">The generated images' features, with the labels that were asked for.</param>
    /// <param name="real">The real images' features: a test set, of about as many rows.</param>
    /// <param name="options">The columns, the training data and the sizes; null for the defaults.</param>
    /// <returns>The metrics over all rows and for each label, with those of real images as the floor.</returns>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; a column is missing or of the wrong type; the views have other numbers of
    /// features; or keys without values would be compared with values. The message names it.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A row's features are not finite, or its label is missing; a label is in one view only; there are fewer rows, in
    /// all or of a label, than <see cref="EvaluationOptions.Neighbors"/> asks for; or TorchSharp's native library is
    /// not there. Each message says which.
    /// </exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public ImageGenerationMetrics Evaluate(IDataView generated, IDataView real, EvaluationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(generated);
        ArgumentNullException.ThrowIfNull(real);
        return Evaluator.Evaluate(_context, generated, real, options ?? new());
    }

    /// <summary>
    /// Measures how well images can be learnt from: trains a classifier on generated images only, and tests it on real
    /// ones (Ravuri and Vinyals 2019, arXiv 1905.10887).
    /// </summary>
    /// <remarks>
    /// The images are kept in memory, 4 bytes a value. Of each label no more images are read than are needed; a view
    /// that generates them does so in batches.
    /// </remarks>
    /// <param name="generated">Generated images and the labels that were asked for.</param>
    /// <param name="test">Real images that the generator was not trained on, and their labels.</param>
    /// <param name="options">
    /// Columns, number of images, real images for the ceiling, and the classifier; null for the defaults.
    /// </param>
    /// <returns>The accuracy over several trainings and, where real training images are given, the ceiling.</returns>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; or a column is missing or of the wrong type. The message names it and its view.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A row has no label or no image of the right kind; a label is in one view only, except that the real
    /// images for the ceiling may have labels that the others lack; or a training fails. The message says which.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// The token of the classifier's options, or the context, was cancelled.
    /// </exception>
    public ClassificationAccuracyScore ClassificationAccuracyScore(
        IDataView generated, IDataView test, ClassificationAccuracyOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(generated);
        ArgumentNullException.ThrowIfNull(test);
        return ClassificationAccuracy.Compute(_context, generated, test, options ?? new());
    }

    /// <summary>Creates trainers of models that generate labelled images.</summary>
    public sealed class ImageGenerationTrainers
    {
        private readonly MLContext _context;

        internal ImageGenerationTrainers(MLContext context) => _context = context;

        /// <summary>
        /// Creates a trainer of a label-conditioned diffusion model with default options, for grey images of 28 x 28
        /// pixels.
        /// </summary>
        /// <param name="labelColumnName">Name of the key column that holds each image's label.</param>
        /// <param name="featureColumnName">
        /// Name of the column that holds the training images: either float vectors [1, 28, 28] with values in [-1, 1],
        /// as <see cref="TransformsExtensions.NormalizeImages"/> creates them, or images, which the trainer resizes and
        /// scales in the same way.
        /// </param>
        /// <param name="outputColumnName">Name of the image column that the trained model adds.</param>
        /// <returns>The trainer, to append to a pipeline.</returns>
        /// <exception cref="ArgumentException">A column name is empty.</exception>
        public ConditionalDiffusionTrainer ConditionalDiffusion(
            string labelColumnName = "Label",
            string featureColumnName = "Pixels",
            string outputColumnName = "GeneratedImage") =>
            ConditionalDiffusion(new()
            {
                LabelColumnName = labelColumnName,
                FeatureColumnName = featureColumnName,
                OutputColumnName = outputColumnName,
            });

        /// <summary>Creates a trainer of a label-conditioned diffusion model.</summary>
        /// <param name="options">The options of the images, the network, the training and the generation.</param>
        /// <returns>The trainer, to append to a pipeline.</returns>
        /// <exception cref="ArgumentException">
        /// An option is out of its range; the message lists every invalid option.
        /// </exception>
        public ConditionalDiffusionTrainer ConditionalDiffusion(ConditionalDiffusionTrainer.Options options) =>
            new(_context, options);

        /// <summary>
        /// Creates a trainer that distills a model: the new model generates in a few steps of
        /// <see cref="Sampler.Ddim"/> what the model generates in many, with the guidance of the model's sampling
        /// options. <see cref="WithSampling"/> changes that guidance.
        /// </summary>
        /// <param name="model">
        /// The transformer that a training returned, or a chain with it. It must not be disposed before the training
        /// ends.
        /// </param>
        /// <param name="options">The steps and the training; null for the defaults.</param>
        /// <returns>The trainer, to append to a pipeline that prepares the data.</returns>
        /// <exception cref="ArgumentException">
        /// The model does not generate images, or predicts the noise; or an option is out of its range or does not fit
        /// the model. The message lists every invalid option.
        /// </exception>
        public DistillationTrainer Distillation(ITransformer model, DistillationTrainer.Options? options = null) =>
            new(_context, model, options ?? new());
    }
}
